"""Attacks on a real Prefect server as `leeway flows serve` and `leeway up` start it: none gets in."""

from __future__ import annotations

import json
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from features import errors
from retrain_flows.orchestration import server, server_settings

pytestmark = pytest.mark.slow
ATTACK = {"name": "x", "parameters": {"where": {"opener": "os:popen", "project": "touch x", "model": "m"}}}


@dataclass(frozen=True)
class Running:
    """A server at *url*, started for *state*."""

    url: str
    state: Path

    @property
    def right(self) -> dict[str, str]:
        """What a client shows."""
        return {"Authorization": server_settings.basic(server_settings.secret(self.state))}

    def status(self, path: str, body: Any = None, **headers: str) -> int:
        """Return how the server answers."""
        question = urllib.request.Request(f"{self.url}{path}", None if body is None else json.dumps(body).encode())
        for name, value in {"Content-Type": "application/json", **headers}.items():
            question.add_header(name, value)
        try:
            with urllib.request.urlopen(question, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield the server, which is started once for all attacks."""
    state = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(server_settings.URL, raising=False)
        with server.running(state) as url:
            yield Running(url, state)


@pytest.mark.parametrize("path", ["/flows/", "/deployments/filter", "/flow_runs/filter", "/block_documents/filter",
                                  "/variables/", "/automations/", "/events"])  # fmt: skip
def test_without_the_secret_nothing_is_taken(prefect: Running, path: str) -> None:
    """Not even the attack that once ran: a flow's parameter that names what to call."""
    wrong = server_settings.basic("leeway:wrong")
    assert {401} == {prefect.status(path, ATTACK), prefect.status(path, ATTACK, Authorization=wrong)}


@pytest.mark.parametrize("more", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"},
                                  {"Host": "127.0.0.1"}, {"Host": "[:evil"}])  # fmt: skip
def test_another_page_and_another_name_are_refused_even_with_the_secret(prefect: Running, more: dict[str, str]) -> None:
    """A browser that has saved the password shows it for whoever asks."""
    assert 403 == prefect.status("/flows/filter", {}, **prefect.right, **more)
    assert 403 == prefect.status("/health", **more)


def test_its_client_and_its_own_page_get_in(prefect: Running) -> None:
    """With the secret; and health is told to anybody of this machine."""
    page = prefect.url.removesuffix("/api")
    own = {"Origin": page, **prefect.right}
    assert [200, 200] == [prefect.status(path) for path in ("/health", "/ready")]
    with urllib.request.urlopen(f"{page}/", timeout=20) as answer:
        assert b"<title>Prefect Server</title>" in answer.read()
    assert [200, 200] == [prefect.status("/flows/filter", {}, **shown) for shown in (prefect.right, own)]


@pytest.mark.parametrize("more", [{}, {"Origin": "http://evil.example"}])
def test_events_are_taken_of_nobody_else(prefect: Running, more: dict[str, str]) -> None:
    """The socket by which runs tell of themselves, which Prefect leaves open."""
    address = f"{prefect.url.replace('http', 'ws')}/events/in"
    with pytest.raises(InvalidStatus, match="403"), connect(address, additional_headers=more):
        pass
    with connect(address, additional_headers=prefect.right):
        pass


def test_the_secret_is_in_a_file_of_its_owner_and_on_no_command_line(prefect: Running) -> None:
    """`ps` shows everybody's command lines."""
    text, path = server_settings.secret(prefect.state), server_settings.secret_path(prefect.state)
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert [] == [line for line in lines if text.removeprefix("leeway:") in line]


def test_it_is_found_again_and_used_again(prefect: Running) -> None:
    """A second command of the project starts no second server."""
    with server.running(prefect.state) as url:
        assert prefect.url == url
    assert 200 == prefect.status("/health")


def test_a_client_that_does_not_get_in_says_why(prefect: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an error of ours, with the variable that is missing."""
    monkeypatch.setenv(server_settings.URL, prefect.url)
    monkeypatch.setenv(server_settings.AUTH, "leeway:wrong")
    with pytest.raises(errors.EngineError, match=r"refuses: 401 Unauthorized\s+hint: set PREFECT_API_AUTH_STRING"):
        server.running_already(prefect.state, {})
