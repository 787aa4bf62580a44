"""`leeway dashboard` shows the registry to nobody else unless a password is set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from features.errors import ProjectError
from leeway.commands import dashboard

PROJECT = """\
project: flights
models:
  late:
    task: binary
    events: {predictions: {path: events}}
    features: {temp: numeric}
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_on_loopback_only_this_machines_names_are_answered(host: str) -> None:
    """No password is needed, and a page elsewhere cannot come in under a name of its own."""
    assert ("localhost", "127.0.0.1", "[") == dashboard.allowed_hosts(host, None, [])
    assert "leeway.test" in dashboard.allowed_hosts(host, None, ["leeway.test"])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.com"])
def test_beyond_loopback_a_password_is_needed(host: str) -> None:
    """Without one it refuses, and names the variable."""
    with pytest.raises(ProjectError, match=f"{host} would show the registry") as caught:
        dashboard.allowed_hosts(host, None, [])

    assert "LEEWAY_DASHBOARD_PASSWORD" in caught.value.hint
    assert ("*",) == dashboard.allowed_hosts(host, "s3cret", [])
    assert ("leeway.test",) == dashboard.allowed_hosts(host, "s3cret", ["leeway.test"])


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what the server was asked to serve, instead of serving it."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr("uvicorn.run", lambda app, **options: calls.append({"app": app, **options}))
    monkeypatch.chdir(tmp_path)
    return calls


def run(*words: str, password: str = "") -> str:
    """Run `leeway dashboard ...` and return what it prints."""
    app = typer.Typer()
    app.callback()(lambda: None)
    dashboard.register(app)
    environ = {"COLUMNS": "200", dashboard.PASSWORD: password}
    return CliRunner().invoke(app, ["dashboard", *words], obj=Path(), catch_exceptions=False, env=environ).stdout


def test_it_serves_on_loopback(served: list[dict[str, Any]]) -> None:
    """The address is printed, the server gets it."""
    shown = run("--port", "8400")

    assert "http://127.0.0.1:8400" in shown
    assert [("127.0.0.1", 8400)] == [(call["host"], call["port"]) for call in served]


def test_an_empty_password_is_none(served: list[dict[str, Any]]) -> None:
    """A variable that is set to nothing protects nothing, and is not taken for a password."""
    with pytest.raises(ProjectError):
        run("--host", "0.0.0.0", password="")

    assert [] == served


def test_an_ipv6_address_is_printed_as_a_url(served: list[dict[str, Any]]) -> None:
    """Brackets, as browsers want them."""
    assert "http://[::]:8321" in run("--host", "::", password="s3cret")
    assert 1 == len(served)
