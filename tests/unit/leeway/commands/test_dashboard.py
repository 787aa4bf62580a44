"""`leeway dashboard` requires its password."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from features.errors import ProjectError
from leeway.commands import dashboard
from tests.support.command_line import SMALL_PROJECT, invoke


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_on_loopback_only_loopbacks_names_are_answered(host: str) -> None:
    """A page elsewhere cannot come in under a name of its own."""
    own = dashboard.own_hosts(host, ["Leeway.test"])

    assert all(map(own.know, ["localhost:8321", "127.0.0.1", "127.1.2.3", "[::1]:8321", "leeway.test"]))
    assert not any(map(own.know, ["192.168.1.7", "[2001:db8::1]", "evil.example", socket.gethostname() + ".example"]))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "pages.example.com"])
def test_beyond_loopback_this_machines_names_are_answered(host: str) -> None:
    """Its addresses, which no page elsewhere can take for a name, its own names, and those that are added."""
    own = dashboard.own_hosts(host, ["leeway.test"])

    assert all(map(own.know, ["192.168.1.7:8321", "[2001:db8::1]", "localhost", socket.gethostname(), "leeway.test"]))
    assert ("pages.example.com" == host) is own.know("pages.example.com")
    assert not own.know("evil.example")
    assert dashboard.own_hosts(host, ["*"]).know("evil.example")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what the server was asked to serve, instead of serving it."""
    (tmp_path / "leeway.yaml").write_text(SMALL_PROJECT)
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr("uvicorn.run", lambda app, **options: calls.append({"app": app, **options}))
    monkeypatch.chdir(tmp_path)
    return calls


def run(*words: str, password: str = "") -> str:
    """Run `leeway dashboard ...` and return what it prints."""
    return invoke(Path(), "dashboard", *words, **{dashboard.PASSWORD: password}).stdout


def login(served: dict[str, Any], password: str | None) -> int:
    """Return the status of a page, asked for with a password or without."""
    headers = {} if password is None else {"authorization": f"Bearer {password}"}

    async def ask() -> int:
        """Ask without a server."""
        async with httpx.AsyncClient(transport=httpx.ASGITransport(served["app"]), base_url="http://[::1]") as client:
            return (await client.get("/static/app.js", headers=headers)).status_code

    return asyncio.run(ask())


def test_it_serves_on_loopback(served: list[dict[str, Any]]) -> None:
    """The address is printed, the server gets it."""
    shown = run("--port", "8400")

    assert "http://127.0.0.1:8400" in shown
    assert [("127.0.0.1", 8400)] == [(call["host"], call["port"]) for call in served]


def test_without_a_password_a_random_one_is_made_that_its_owner_alone_reads(served: list[dict[str, Any]]) -> None:
    """On loopback too; the file is named, and neither the terminal nor an address ever shows what is in it."""
    shown = run() + run("--host", "0.0.0.0", password="")
    made = Path(".leeway", dashboard.FILE)
    secret = made.read_text().strip()

    assert 0o600 == made.stat().st_mode & 0o777
    assert len(secret) >= 32
    assert dashboard.FILE in shown
    assert secret not in shown
    assert [(401, 200)] * 2 == [(login(call, None), login(call, secret)) for call in served]


def test_the_variables_password_comes_first(served: list[dict[str, Any]]) -> None:
    """Who sets one uses it; no file is made."""
    shown = run(password="s3cret")

    assert "LEEWAY_DASHBOARD_PASSWORD" in shown
    assert "s3cret" not in shown
    assert (401, 200) == (login(served[0], "other"), login(served[0], "s3cret"))
    assert not Path(".leeway", dashboard.FILE).exists()


def test_a_password_that_others_may_read_is_refused(served: list[dict[str, Any]]) -> None:
    """What everybody on the machine knows protects nothing."""
    run()
    Path(".leeway", dashboard.FILE).chmod(0o644)

    with pytest.raises(ProjectError, match="others than its owner"):
        run()


def test_no_client_can_speak_for_another(served: list[dict[str, Any]]) -> None:
    """Wrong passwords count for whom they come from, whatever X-Forwarded-For says."""
    run()

    assert False is served[0]["proxy_headers"]


def test_an_ipv6_address_is_printed_as_a_url(served: list[dict[str, Any]]) -> None:
    """Brackets, as browsers want them."""
    assert "http://[::]:8321" in run("--host", "::", password="s3cret")
    assert 1 == len(served)
