"""Service keeper: restarts a service that died, ends it with its children, and reports failures."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from features.errors import EngineError
from leeway.stack import keeper, processes

SLEEP = "import time; time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])"


def service(tmp_path: Path, code: str, **more: object) -> processes.Service:
    """Return a service that is a line of Python."""
    return processes.Service("s", [sys.executable, "-c", code], tmp_path / "s.log", **more)  # type: ignore[arg-type]


def until(true: Callable[[], object]) -> None:
    """Wait until *true*, and fail if that takes half a minute."""
    last = time.monotonic() + 30
    while not true():
        assert time.monotonic() < last
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often."""
    for name in ("WATCH_SECONDS", "HEALTH_SECONDS"):
        monkeypatch.setattr(keeper, name, 0.02)
    monkeypatch.setattr(keeper, "restart_wait", lambda _: 0.02)
    monkeypatch.setattr(processes, "POLL_SECONDS", 0.02)


def test_a_service_that_dies_comes_back(tmp_path: Path) -> None:
    """Under another pid, and the restart is counted; ended, it stays away."""
    kept = keeper.Keeper(service(tmp_path, SLEEP), lambda: None)
    kept.start()
    until(lambda: kept.status.condition == "up")
    first = kept.status.pid
    assert first
    psutil.Process(first).kill()
    until(lambda: kept.status.restarts == 1 and kept.status.condition == "up")
    second = kept.status.pid
    kept.end()
    kept.join()

    assert first != second
    assert "stopped" == kept.status.condition
    assert not psutil.pid_exists(second or 0)


@pytest.mark.parametrize(("code", "stays"), [(0, True), (3, False)])
def test_one_that_may_end_stays_so_unless_it_failed(tmp_path: Path, code: int, stays: bool) -> None:
    """Who stops a learner by its command does not want it back."""
    ended = service(tmp_path, f"import time; time.sleep(0.5); raise SystemExit({code})", may_end=True)
    kept = keeper.Keeper(ended, lambda: None)
    kept.start()
    until(lambda: kept.status.restarts > 0 or kept.status.condition == "stopped")
    condition, restarts = kept.status.condition, kept.status.restarts
    kept.end()
    kept.join()

    assert stays == (restarts == 0)
    assert stays == (condition == "stopped")


def test_a_service_is_ended_with_its_children(tmp_path: Path) -> None:
    """They are one session."""
    process = processes.start(service(tmp_path, PARENT))
    until(lambda: psutil.Process(process.pid).children())
    (child,) = psutil.Process(process.pid).children()
    processes.stop(process)
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)

    assert -signal.SIGTERM == process.returncode


def test_one_that_never_comes_up_says_why(tmp_path: Path) -> None:
    """The last words of its log; and it is tried again."""
    failing = service(tmp_path, "print('no such host'); raise SystemExit(3)", healthy=lambda: False)
    kept = keeper.Keeper(failing, lambda: None)
    kept.start()
    kept.tried.wait(30)
    until(lambda: kept.status.restarts > 1)
    kept.end()
    kept.join()

    assert not kept.came_up
    assert "it ended with code 3" in kept.status.why
    assert "| no such host" in kept.status.why


def test_one_that_does_not_answer_is_started_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is silent for a while before."""
    monkeypatch.setattr(keeper, "SILENT_SECONDS", 0.2)
    answers = threading.Event()
    answers.set()
    seen: list[str] = []
    kept = keeper.Keeper(service(tmp_path, SLEEP, healthy=answers.is_set), lambda: seen.append(kept.status.condition))
    kept.start()
    until(lambda: kept.status.condition == "up")
    answers.clear()
    until(lambda: kept.status.restarts == 1)
    kept.end()
    kept.join()

    assert "silent" in seen


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    """No thread dies of it."""
    kept = keeper.Keeper(processes.Service("s", ["/no/such/program"], tmp_path / "s.log"), lambda: None)
    kept.start()
    kept.tried.wait(30)
    kept.end()
    kept.join()

    assert "cannot be started" in kept.status.why


def test_a_context_waits_until_it_answers_and_ends_it(tmp_path: Path) -> None:
    """Tests use servers this way."""
    ready = tmp_path / "ready"
    code = f"import pathlib, time; pathlib.Path({str(ready)!r}).touch(); time.sleep(600)"
    with processes.running(service(tmp_path, code, healthy=ready.exists)) as process:
        assert process.poll() is None

    assert process.returncode is not None


def test_a_context_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """It is ended before the error is raised."""
    started = service(tmp_path, SLEEP, healthy=lambda: False, start_seconds=0.1)
    with pytest.raises(EngineError, match="does not answer"), processes.running(started):
        pass
    mine = [p for p in psutil.Process().children(recursive=True) if SLEEP in p.cmdline()]

    assert [] == mine


def test_a_large_log_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log does not grow for ever."""
    monkeypatch.setattr(processes, "LOG_BYTES", 10)
    made = service(tmp_path, "print('new')")
    made.log.write_text("old " * 10)
    processes.start(made).wait()

    assert "new\n" == made.log.read_text()
    assert made.log.with_suffix(".log.old").read_text().startswith("old")
