"""The state file of a running stack, and what is left of a killed one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from features.errors import NotFound
from leeway.project import environment
from leeway.stack import control, state
from leeway.stack.build import MARK

SLEEP = "import time; time.sleep(600)"


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Services included."""
    services = (state.Status("broker", "waiting", "2026-01-01T00:00:00+00:00", None, 2, "no"),)
    known = state.State("up", 7, "2026-01-01T00:00:00+00:00", services)
    state.save(tmp_path, known)

    assert known == state.load(tmp_path)
    assert services[0] == known.service("broker")
    assert known.service("other") is None


@pytest.mark.parametrize("text", [None, "", "{}", '{"phase": "up", "services": [1]}'])
def test_no_state_is_none(tmp_path: Path, text: str | None) -> None:
    """Neither is half a file."""
    if text is not None:
        (tmp_path / "state.json").write_text(text)

    assert state.load(tmp_path) is None


def test_a_supervisor_is_known_by_its_lock(tmp_path: Path) -> None:
    """A state file that says `up` proves nothing."""
    assert not state.is_running(tmp_path / "none")
    with state.lock(tmp_path):
        assert state.is_running(tmp_path)
    assert not state.is_running(tmp_path)


def test_what_carries_the_mark_is_ended_and_nothing_else(tmp_path: Path) -> None:
    """Also when nobody knows its pid, in a session of its own; and the addresses go."""
    environment.stack_folder(tmp_path).mkdir()
    folder = environment.stack_folder(tmp_path)
    environment.env_file(tmp_path).write_text("A=b\n")
    ours, others = (
        subprocess.Popen([sys.executable, "-c", SLEEP], env={**os.environ, MARK: mark}, start_new_session=True)
        for mark in (str(folder), str(tmp_path / "another"))
    )
    try:
        assert control.stop(folder)
        assert ours.wait(10) is not None
        assert psutil.pid_exists(others.pid)
        assert others.poll() is None
        assert {} == environment.of_stack(tmp_path)
        assert not control.stop(folder)
    finally:
        for process in (ours, others):
            process.kill()
            process.wait()


def test_logs_are_found_by_name(tmp_path: Path) -> None:
    """An unknown name lists those that there are."""
    (tmp_path / "logs").mkdir()
    for name in ("flows", "broker"):
        (tmp_path / "logs" / f"{name}.log").write_text(f"{name} 1\n{name} 2\n")

    assert ["broker", "flows"] == list(control.logs(tmp_path, None))
    assert ["flows"] == list(control.logs(tmp_path, "flows"))
    with pytest.raises(NotFound, match="no log of 'x'") as told:
        control.logs(tmp_path, "x")
    assert "there are broker, flows" == told.value.hint


def test_logs_are_followed(tmp_path: Path) -> None:
    """The last lines first, then what comes."""
    file = tmp_path / "a.log"
    file.write_text("1\n2\n3\n")
    lines = control.follow({"a": file}, 2)

    assert [("a", "2"), ("a", "3")] == [next(lines), next(lines)]
    with file.open("a") as opened:
        opened.write("4\n")
    assert ("a", "4") == next(lines)
    lines.close()  # type: ignore[attr-defined]
