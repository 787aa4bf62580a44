"""A function in a child process with limits: what it returns, and a clear error within seconds for all else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from features import errors
from retrain_flows.config import Limits
from retrain_flows.training import process_memory, trainer_process
from retrain_flows.training.trainer_process import Progress, run_limited
from tests.support import limited_functions as functions

LIMITS = Limits(time=timedelta(minutes=2))
MB = 1_000_000


def wait(until: Callable[[], bool]) -> None:
    """Wait until it is so, a minute at the longest."""
    end = time.monotonic() + 60
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


def ended(pid: int) -> bool:
    """Return whether a process has ended, reaped or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_function_runs_elsewhere_and_returns_its_result() -> None:
    """Its progress arrives in order."""
    seen: list[Progress] = []
    pid = run_limited(functions.report_twice, ["a", "b"], limits=LIMITS, on_progress=seen.append)
    assert pid != os.getpid()
    assert ["a", "b"] == [p.message for p in seen]


def test_a_large_result_is_whole() -> None:
    """More than a pipe's buffer."""
    assert b"x" * 5 * MB == run_limited(bytes.replace, b"y" * 5 * MB, b"y", b"x", limits=LIMITS)


def test_what_a_trainer_prints_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    """Though its process is killed as soon as it has answered."""
    run_limited(functions.write, "epoch 1", limits=LIMITS)
    assert "epoch 1" in capfd.readouterr().out


def test_generators_are_seeded() -> None:
    """The same seed gives the same numbers, another one others."""
    first, again, other = (run_limited(functions.draw, limits=LIMITS, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_trainer_that_hangs_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    """The error names the limit and the setting; nothing of its process group is left."""
    pids = tmp_path / "pids"
    with pytest.raises(errors.TrainerTimeout, match="trainer train:make did not end within 8s") as raised:
        run_limited(functions.hang, str(pids), limits=Limits(time=timedelta(seconds=8)), name="trainer train:make")
    assert "retrain.limits.time" in raised.value.hint
    started = [int(pid) for pid in pids.read_text().split()]
    assert 2 == len(started)
    wait(lambda: all(map(ended, started)))


@pytest.mark.parametrize("function", [functions.fill, functions.fill_by_child])
def test_a_trainer_that_takes_memory_is_stopped(function: Any) -> None:
    """Its own or that of a process it started; the error names limit and setting."""
    limits = Limits(time=timedelta(minutes=2), memory=400 * MB)
    with pytest.raises(errors.TrainerOutOfMemory, match="needed more than 400 MB of memory") as raised:
        run_limited(function, 3000, limits=limits)
    assert "retrain.limits.memory" in raised.value.hint


def test_a_memory_error_is_one_of_memory() -> None:
    """Where the system refuses memory before the limit is reached."""
    with pytest.raises(errors.TrainerOutOfMemory, match="raised MemoryError"):
        run_limited(functions.no_memory, limits=LIMITS)


def test_an_exception_is_an_error_with_its_traceback() -> None:
    """The traceback of the child is the cause."""
    with pytest.raises(errors.TrainerError, match="the trainer raised KeyError: 'distance'") as raised:
        run_limited(functions.raise_key_error, limits=LIMITS)
    assert "in raise_key_error" in str(raised.value.__cause__)


def test_an_error_of_leeway_arrives_as_it_is() -> None:
    """Class, message and hint; with the traceback of the child as its cause."""
    with pytest.raises(errors.NotEnoughData) as raised:
        run_limited(functions.raise_not_enough_data, limits=LIMITS)
    assert ("3 rows are too few", "wait") == (raised.value.message, raised.value.hint)
    assert "in raise_not_enough_data" in str(raised.value.__cause__)


@pytest.mark.parametrize(
    ("function", "args", "how"),
    [(functions.leave, (3,), "ended with exit code 3"), (functions.leave, (0,), "ended with exit code 0"),
     (functions.crash, (), "was killed by SIGSEGV")],
)  # fmt: skip
def test_a_trainer_that_ends_its_process_is_an_error(function: Any, args: Any, how: str) -> None:
    """It is noticed at once, not when time is up."""
    with pytest.raises(errors.TrainerError, match=f"the process of the trainer {how}"):
        run_limited(function, *args, limits=LIMITS)


def test_a_result_that_cannot_be_pickled_is_an_error() -> None:
    """It names the type."""
    with pytest.raises(errors.TrainerError, match="returned a lock that cannot be pickled"):
        run_limited(functions.unpicklable, limits=LIMITS)


def test_a_result_that_cannot_be_read_here_is_an_error(tmp_path: Path) -> None:
    """It says what is missing, in place of an error that no caller expects."""
    (tmp_path / "only_in_the_child.py").write_text("class Thing:\n    pass\n")
    with pytest.raises(errors.TrainerError, match="the trainer returned cannot be read here: ModuleNotFoundError"):
        run_limited(functions.of_a_module_in, str(tmp_path), limits=LIMITS)


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    """Also when the parent is killed, and with what the child had started."""
    pids = tmp_path / "pids"
    code = f"from tests.support.limited_functions import inner; inner({str(pids)!r})"
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        wait(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        parent.kill()
    wait(lambda: all(ended(int(pid)) for pid in pids.read_text().split()))


def test_a_worker_of_a_pool_ends_with_its_parent(tmp_path: Path) -> None:
    """A backtest that is killed leaves no process behind that replays its references."""
    pids = tmp_path / "pids"
    code = f"from tests.support.limited_functions import hang_in_pool; hang_in_pool({str(pids)!r})"
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        wait(lambda: pids.exists() and bool(pids.read_text()))
        parent.kill()
    wait(lambda: ended(int(pids.read_text())))


def test_progress_is_reported_where_the_function_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """With time and memory."""
    monkeypatch.setattr(trainer_process, "PROGRESS_SECONDS", 0.2)
    seen: list[Progress] = []
    run_limited(time.sleep, 1, limits=LIMITS, on_progress=seen.append)
    assert len(seen) > 1
    assert "GB of memory" in str(seen[-1]) or "MB of memory" in str(seen[-1])


def test_a_container_may_have_less_than_its_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its limit counts; `max` is none."""
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(process_memory, "CGROUP", limit)
    whole = process_memory.machine_memory()
    limit.write_text("max\n")
    assert whole == process_memory.machine_memory()
    limit.write_text("1000000\n")
    assert 1_000_000 == process_memory.machine_memory()


@pytest.mark.parametrize(("written", "bytes_"), [("4GB", 4_000_000_000), ("512MiB", 512 * 2**20), (None, None)])
def test_limits_are_read_from_the_project_file(written: Any, bytes_: Any) -> None:
    """Time as other periods, memory with a unit."""
    limits = Limits.model_validate({"time": "2h", "memory": written})
    assert (timedelta(hours=2), bytes_) == (limits.time, limits.memory)


@pytest.mark.parametrize("wrong", [{"time": "0s"}, {"memory": 0}, {"memory": "much"}, {"cpu": 1}])
def test_limits_that_make_no_sense_are_refused(wrong: Any) -> None:
    """Nothing, less than nothing, or unknown."""
    with pytest.raises(ValueError, match="validation error"):
        Limits.model_validate(wrong)
