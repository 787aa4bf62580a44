"""Python workers in loopback mode: only processes of the same user may request one."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any

import pytest

from features import errors
from monitors.flink import loopback_job


@dataclass
class Asked:
    """A request's context: where it comes from."""

    address: str

    def peer(self) -> str:
        """Return it, as gRPC tells it."""
        return self.address


@dataclass
class Pool:
    """A worker pool that listens on a port."""

    _port: int


class Request(str):
    """A request, by the worker's name, with the environment of the process that asks."""

    def __new__(cls, name: str, **params: str) -> Request:
        """Return it with the variables *params*."""
        made = super().__new__(cls, name)
        made.params = params
        return made

    params: dict[str, str]


def start(pool: Any, request: str, context: Any) -> str:
    """Start a worker."""
    return f"started {request}"


def test_a_connection_of_this_user_s_is_known_as_such() -> None:
    """Through a real socket; the system tells whose it is."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        local, remote = client.getsockname()[1], server.getsockname()[1]
        assert os.getuid() == loopback_job.owner(local, remote)
        assert loopback_job.owner(remote, local + 1) is None
        request = Request("w", PYTHON_LOOPBACK_SERVER_ADDRESS="127.0.0.1:1", TABLE_LOCAL_TIME_ZONE="UTC")
        told = loopback_job._start_worker(Pool(remote), start, request, Asked(f"ipv4:127.0.0.1:{local}"))
        assert "started w" == told
        assert {"TABLE_LOCAL_TIME_ZONE": "UTC"} == request.params  # that of this process stays without the address


@pytest.mark.parametrize(
    "peer", ["ipv4:127.0.0.1:1", "ipv4:10.0.0.7:4000", "ipv6:%5B::1%5D:4000", "unix:/tmp/x", "", "ipv4:127.0.0.1:"]
)
def test_nobody_else_gets_a_worker(peer: str) -> None:
    """Neither from another machine, nor over a connection that is not there, nor from another user."""
    with pytest.raises(errors.EngineError, match="no process of this user"):
        loopback_job._start_worker(Pool(4001), start, "w", Asked(peer))


def test_a_connection_of_another_user_s_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system's table tells it."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        local, remote = client.getsockname()[1], server.getsockname()[1]
        monkeypatch.setattr(os, "getuid", lambda: 4242)
        with pytest.raises(errors.EngineError, match="no process of this user"):
            loopback_job._start_worker(Pool(remote), start, "w", Asked(f"ipv4:127.0.0.1:{local}"))


def test_a_connection_that_one_reading_leaves_out_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's table of connections is no snapshot; one that is never in it is nobody's."""
    monkeypatch.setattr(loopback_job, "_PAUSE_SECONDS", 0.0)
    readings = iter([None, None, 1000])
    monkeypatch.setattr(loopback_job, "owner", lambda *_: next(readings))
    found = loopback_job._owner(1, 2)
    monkeypatch.setattr(loopback_job, "owner", lambda *_: None)

    assert (1000, None) == (found, loopback_job._owner(1, 2))
