"""Prefect's secret is sent to the project's own server only: to no proxy, and to nobody who has taken its port."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from features import errors
from leeway.project import environment
from leeway.stack import ports
from retrain_flows.orchestration import server, server_process, server_settings
from tests.support.listening_server import Listening, listening

LISTENS = "import socket, sys; at = socket.create_server(('127.0.0.1', int(sys.argv[-1])))"


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
    """Yield a server of somebody else."""
    monkeypatch.delenv(server_settings.URL, raising=False)
    with listening() as made:
        yield made


def note(state: Path, url: str) -> None:
    """Write the address of a server, as one does that is killed later."""
    (state / "prefect").mkdir()
    (state / "prefect" / "url").write_text(url)


def test_whoever_has_taken_the_port_of_a_killed_server_is_sent_nothing(stranger: Listening, tmp_path: Path) -> None:
    """The note of its address outlives it."""
    note(tmp_path, f"{stranger.url}/api")

    assert {} == server.running_already(tmp_path, {})
    assert [] == stranger.requests


def test_whoever_has_taken_the_port_of_a_killed_stack_is_sent_nothing(stranger: Listening, tmp_path: Path) -> None:
    """Its variables outlive it too; a server that they name is missed, as nothing else takes its place."""
    stack = {server_settings.URL: f"{stranger.url}/api", server_settings.AUTH: server_settings.secret(tmp_path)}
    environment.env_file(tmp_path).parent.mkdir()
    environment.env_file(tmp_path).write_text("".join(f"{name}={value}\n" for name, value in stack.items()))

    with pytest.raises(errors.EngineAway, match="no server of this project listens there"):
        server.running_already(tmp_path, environment.of_stack(tmp_path))
    assert [] == stranger.requests


@pytest.mark.parametrize("text", ["", "x", "http://127.0.0.1:x/api", "http://127.0.0.1:99999/api", "\xff"])
def test_a_note_that_is_none_is_no_server(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project does without one then."""
    monkeypatch.delenv(server_settings.URL, raising=False)
    note(tmp_path, text)

    assert {} == server.running_already(tmp_path, {})


def test_a_server_is_known_by_command_port_and_account(tmp_path: Path) -> None:
    """Its own command is not enough while somebody else has the port."""
    (tmp_path / "retrain_flows" / "orchestration").mkdir(parents=True)
    for folder in ("retrain_flows", "retrain_flows/orchestration"):
        (tmp_path / folder / "__init__.py").touch()
    port, me = ports.free(), os.getuid()
    text = f"{LISTENS}; print('there', flush=True); sys.stdin.read()"
    (tmp_path / "retrain_flows" / "orchestration" / "server_main.py").write_text(text)
    at = server_settings.address(port)
    command = [sys.executable, *server_settings.command(port)[1:]]
    where = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, env=where) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = server_process.listens(at, me), server_process.listens(at, me + 1)
        other = server_process.listens(server_settings.address(port + 1), me)
        process.communicate()

    assert (True, False, False) == (*found, other)
    assert not server_process.listens(at, me)


def test_a_server_that_never_answers_is_given_up(
    stranger: Listening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that answers in its place is not taken for it."""
    port = int(stranger.url.rpartition(":")[2])
    monkeypatch.setattr(server, "_free_port", lambda: port)
    monkeypatch.setattr(server, "WAIT_SECONDS", 1)
    monkeypatch.setattr(server, "command", lambda _: [sys.executable, "-c", "import sys; sys.stdin.read()"])
    with pytest.raises(errors.EngineError, match=r"did not answer within 1 s\s+hint: see"), server.running(tmp_path):
        pass
    assert [] == stranger.requests


def test_a_server_that_is_named_is_asked_without_a_proxy(stranger: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would read the login."""
    monkeypatch.setenv("http_proxy", stranger.url)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(errors.EngineAway, match="refused"):
        server.check(server_settings.address(ports.free()), "leeway:secret")
    assert [] == stranger.requests


def test_prefect_itself_is_told_to_use_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, and in the server's, what is set already stays."""
    monkeypatch.setenv("no_proxy", "example.org")
    for made in (server_settings.settings(tmp_path), server_settings.environment(tmp_path, 4200)):
        assert ["example.org", "127.0.0.1", "localhost", "::1"] == made["no_proxy"].split(",")
        assert made["NO_PROXY"] == made["no_proxy"]
