"""The Evidently report of a run as a page: sandboxed, of this model's run only, and no other file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dashboards import app, security
from registry.connection import Registry
from tests.support import registry_values as values


@pytest.fixture
def reg(tmp_path: Path) -> Iterator[Registry]:
    """Yield a registry with run 1 of model m, and another model."""
    with Registry.open(f"sqlite:///{tmp_path}/leeway.db", tmp_path / "artifacts") as made:
        values.champion(made)
        values.run(made)
        values.model(made, "other")
        yield made


def get(reg: Registry, path: str, reports: Path | None) -> httpx.Response:
    """Return the answer to a request with the password."""

    async def ask() -> httpx.Response:
        """Ask without a server."""
        transport = httpx.ASGITransport(app.create(reg, password="secret", reports=reports))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8321") as client:
            return await client.get(path, headers={"authorization": "Bearer secret"})

    return asyncio.run(ask())


def test_a_report_is_shown_in_a_sandbox(reg: Registry, tmp_path: Path) -> None:
    """Its scripts run, but reach neither Leeway's pages nor any other host."""
    (tmp_path / "m-run-1.html").write_text("<script>1</script>")
    answer = get(reg, "/models/m/runs/1/evidently", tmp_path)
    assert (200, "<script>1</script>") == (answer.status_code, answer.text)
    assert security.SANDBOXED == answer.headers["content-security-policy"]
    assert "allow-same-origin" not in security.SANDBOXED
    assert "nosniff" == answer.headers["x-content-type-options"]


@pytest.mark.parametrize(
    ("path", "missing"),
    [("/models/m/runs/1/evidently", "no Evidently report of run 1"), ("/models/other/runs/1/evidently", "no run 1 of"),
     ("/models/m/runs/7/evidently", "no run 7")],
)  # fmt: skip
def test_what_is_not_there_is_not_found(reg: Registry, tmp_path: Path, path: str, missing: str) -> None:
    """No file, another model's run, no run; with the policy of all other pages."""
    for reports in (tmp_path, None):
        answer = get(reg, path, reports)
        assert (404, True) == (answer.status_code, missing in answer.text)
        assert security.CONTENT_SECURITY_POLICY == answer.headers["content-security-policy"]
