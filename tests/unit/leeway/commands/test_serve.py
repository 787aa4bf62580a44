"""`leeway serve` requires its token, logs into a directory, and runs with one thread."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from features.errors import ProjectError
from features.schema import Events, Source
from leeway.commands import serve
from leeway.project.load import Project
from tests.support import serving_world as world
from tests.support.command_line import invoke
from tests.support.project_imports import undone

SECRET = "s" * serve.SHORTEST_TOKEN


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what the server was asked to serve, instead of serving it; the project is in the folder."""
    (tmp_path / "leeway.yaml").write_text(world.PROJECT)
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr("serving.server.run", lambda app, **options: calls.append({"app": app, **options}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return calls


def run(*words: str, token: str = "") -> str:
    """Run `leeway serve ...` and return what it prints."""
    with undone():
        done = invoke(Path(), "serve", *words, **{serve.TOKEN: token})
    return done.output


def status(app: Any, path: str, **headers: str) -> int:
    """Return the status of an answer."""

    async def ask() -> int:
        """Ask without a server."""
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return (await client.get(path, headers=headers)).status_code

    return asyncio.run(ask())


def test_a_random_token_is_made_that_its_owner_alone_reads(served: list[dict[str, Any]], tmp_path: Path) -> None:
    """Its path is printed, it is not."""
    printed = run()
    token = tmp_path / "serve-token"

    assert stat.S_IRUSR | stat.S_IWUSR == stat.S_IMODE(token.stat().st_mode)
    assert len(token.read_text()) >= serve.SHORTEST_TOKEN
    assert str(token) in printed.replace("\n", "")
    assert token.read_text() not in printed
    assert 200 == status(served[0]["app"], "/v2", authorization=f"Bearer {token.read_text()}")


def test_the_variables_token_is_taken_if_it_cannot_be_guessed(served: list[dict[str, Any]]) -> None:
    """Nobody waits after a wrong one, so a short one is refused."""
    run(token=SECRET)
    assert [200, 401] == [status(served[0]["app"], "/v2", authorization=f"Bearer {t}") for t in (SECRET, SECRET + "s")]
    with undone(), pytest.raises(ProjectError, match="fewer than 24: it could be guessed"):
        invoke(Path(), "serve", **{serve.TOKEN: SECRET[1:]})


def test_wrong_tokens_keep_nobody_out(served: list[dict[str, Any]]) -> None:
    """Another account of the machine cannot stop predictions by guessing."""
    run(token=SECRET)
    app = served[0]["app"]
    assert {401} == {status(app, "/v2", authorization="Bearer wrong") for _ in range(50)}
    assert 200 == status(app, "/v2", authorization=f"Bearer {SECRET}")


def test_health_alone_is_open_and_no_other_host_or_page_gets_in(served: list[dict[str, Any]]) -> None:
    """On loopback too."""
    run("--name", "models.example", token=SECRET)
    app, right = served[0]["app"], {"authorization": f"Bearer {SECRET}"}

    assert [200, 503] == [status(app, path) for path in serve.OPEN]
    assert {401} == {status(app, path) for path in ("/v2", "/health", "/metrics", "/docs", "/openapi.json", "/nope")}
    assert 400 == status(app, "/v2", **right, host="evil.example")
    assert 200 == status(app, "/v2", **right, host="models.example")
    assert 403 == status(app, "/v2", **right, origin="http://evil.example")


def test_the_log_goes_where_monitors_read(served: list[dict[str, Any]], tmp_path: Path) -> None:
    """Into the directory of the project file; of a topic or a single file it must be named."""
    model = Project.load(tmp_path).model()
    assert tmp_path / "predictions" == serve.log_directory(model, None, 1)
    assert tmp_path / "elsewhere" / "m" == serve.log_directory(model, tmp_path / "elsewhere", 2)
    (tmp_path / "log.csv").touch()
    for source, words in (
        (Source(topic="t"), "topic t, and the log"),
        (Source(path=str(tmp_path / "log.csv")), "is the file"),
    ):
        other = type(model)(**{**vars(model), "events": Events(predictions=source)})
        with pytest.raises(ProjectError, match=words):
            serve.log_directory(other, None, 1)
    assert "No log of m." in run("--no-log", token=SECRET)


def test_one_thread_computes_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is read when libraries are loaded, so the program starts anew with it."""
    started: list[Any] = []
    monkeypatch.setattr(os, "execv", lambda *command: started.append((os.environ["OMP_NUM_THREADS"], command)))
    monkeypatch.setattr(sys, "argv", ["leeway", "serve", "--port", "1"])
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    serve._with_one_thread()
    monkeypatch.delenv("OMP_NUM_THREADS")
    serve._with_one_thread()

    assert [("1", (sys.executable, [sys.executable, "-m", "leeway", "serve", "--port", "1"]))] == started


def test_the_guard_is_around_every_route(served: list[dict[str, Any]]) -> None:
    """What the application has, and what it has not."""
    run(token=SECRET)
    paths = [route.path.format(model="m", version="v1") for route in _routes(served[0]["app"])]
    assert {401, 405} >= {status(served[0]["app"], path) for path in paths if path not in serve.OPEN}
    assert len(paths) > 10


def _routes(app: Any) -> list[Any]:
    while not hasattr(app, "routes"):
        app = app.app
    return list(app.routes)
