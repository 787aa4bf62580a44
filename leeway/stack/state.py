"""The shared state of a stack: a state file, a lock that its supervisor holds, and marked processes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import filelock

from features.files.whole_file import write_whole
from features.window import UTC
from leeway.stack.build import MARK

Phase = Literal["starting", "up", "stopping", "stopped", "failed"]
Condition = Literal["starting", "up", "silent", "waiting", "stopped"]


def now() -> str:
    """Return the time as ISO text in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Status:
    """The status of one service: *since* when (ISO, UTC), its *pid*, number of restarts, and why it is not up."""

    name: str
    condition: Condition
    since: str
    pid: int | None = None
    restarts: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """The state of a stack: phase, supervisor's pid, services, and why it failed."""

    phase: Phase
    pid: int
    since: str
    services: Sequence[Status] = ()
    why: str = ""
    hint: str = ""

    def service(self, name: str) -> Status | None:
        """Return the status of the service *name*, None where there is none."""
        return next((s for s in self.services if s.name == name), None)


def save(folder: Path, state: State) -> None:
    """Write *state* atomically."""
    write_whole(folder / "state.json", json.dumps(asdict(state), indent=1).encode())


def load(folder: Path) -> State | None:
    """Return the state that was written last; None where there is none, or it cannot be read."""
    try:
        saved = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return State(**{**saved, "services": tuple(Status(**s) for s in saved["services"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def lock(folder: Path) -> filelock.BaseFileLock:
    """Return the lock that a supervisor holds while it lives; the system releases it when the supervisor dies."""
    folder.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(folder / "lock")


def is_running(folder: Path) -> bool:
    """Return whether a supervisor runs the stack in *folder*."""
    if not folder.exists():
        return False
    try:
        with lock(folder).acquire(timeout=0):
            return False
    except filelock.Timeout:
        return True


def leftovers(folder: Path) -> list[Any]:
    """Return the marked processes of the stack in *folder*, other than this one, as psutil processes."""
    import psutil  # an optional package

    processes = []
    for process in psutil.process_iter():
        try:
            # PostgreSQL overwrites its environment with its title, so it is recognized by its data folder.
            marked = (
                process.environ().get(MARK) == str(folder) or str(folder / "postgres" / "data") in process.cmdline()
            )
        except (psutil.Error, OSError):
            continue  # gone, or another user's
        if marked and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
            processes.append(process)
    return processes


def end_leftovers(folder: Path) -> int:
    """End the leftovers of a killed supervisor, and return their number."""
    import psutil  # as above

    left = leftovers(folder)
    for process in left:
        _signal(process.terminate)
    _, stubborn = psutil.wait_procs(left, timeout=10)
    for process in stubborn:
        _signal(process.kill)
    psutil.wait_procs(stubborn, timeout=10)
    return len(left)


def _signal(what: Any) -> None:
    import psutil  # as above

    try:
        what()
    except psutil.NoSuchProcess:
        return
