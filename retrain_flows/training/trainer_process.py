"""Process isolation of training: a function runs in a child process with limits of time and memory, seeded.

A trainer is code of the user's. It may hang, take the machine's memory or end its process, and none of that may stop
the process that reconciles all models. The child is a new interpreter (start method ``spawn``), leads a process group
of its own, which is killed as a whole when the function is over, and ends when its parent ends.

Function, arguments and result are pickled. They pass between this process and its own child by a private pipe, so that
nothing is unpickled that another user or machine could have written.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import psutil

from features import errors
from features.window import format_span
from retrain_flows.config import Limits

Result = TypeVar("Result")

POLL_SECONDS: Final = 0.1
"""How often the memory of the child is measured. In this time a process can fill some 200 MB."""
FAMILY_SECONDS: Final = 1.0
"""How often the descendants of the child are looked up, which reads the whole table of processes."""
PROGRESS_SECONDS: Final = 30.0
"""How often progress is reported while the function itself reports none."""
GRACE_SECONDS: Final = 5.0
"""How long the end of a killed child is waited for."""
MEMORY_SHARE: Final = 0.8
"""Share of the machine's memory that a child may use where no limit is set."""
CGROUP: Final = Path("/sys/fs/cgroup/memory.max")
"""The memory limit of this container, in bytes or ``max`` (cgroup v2)."""

_pipe: connection.Connection | None = None
"""In a child: the pipe to its parent."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a child is: seconds since its start, resident memory in bytes, and what it reported ("" if nothing)."""

    seconds: float
    memory: int
    message: str = ""

    def __str__(self) -> str:
        """Return it as a phrase.

        >>> str(Progress(61.2, 1_500_000_000, "tree 40 of 100"))
        'tree 40 of 100 (after 61 s, 1.5 GB of memory)'
        """
        usage = f"after {self.seconds:.0f} s, {format_bytes(self.memory)} of memory"
        return f"{self.message} ({usage})" if self.message else usage


def ignore(progress: Progress) -> None:
    """Ignore progress."""


def run_limited(
    function: Callable[..., Result],
    *args: Any,
    limits: Limits,
    name: str = "the trainer",
    seed: int = 0,
    on_progress: Callable[[Progress], None] = ignore,
) -> Result:
    """Call a function in a child process, and return its result.

    Parameters
    ----------
    function
        A function of a module: it is pickled by its name.
    args
        Its arguments, which can be pickled, as can its result.
    limits
        Wall time, start of the interpreter included, and memory; without a limit of memory, the child may take
        `MEMORY_SHARE` of the machine's.
    name
        What error messages call the function.
    seed
        Seed of ``random`` and of numpy's global generator in the child.
    on_progress
        Called in this thread whenever the function calls `report`, and every `PROGRESS_SECONDS` in between.

    Raises
    ------
    TrainerTimeout
        The function took longer than ``limits.time``.
    TrainerOutOfMemory
        It needed more than ``limits.memory``, raised MemoryError, or was killed as the machine had no memory left.
    TrainerError
        It raised, its result cannot be pickled, or its process ended without a result. An error of Leeway's that it
        raised is raised as it is.

    Examples
    --------
    >>> import math
    >>> run_limited(math.hypot, 3, 4, limits=Limits())
    5.0
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    payload = bytes(ForkingPickler.dumps((function, args)))
    process = spawn.Process(target=_child, args=(theirs, payload, seed), name=name)
    try:
        process.start()
        theirs.close()
        kind, value = _Watch(process, ours, limits, name, on_progress).result()
    finally:
        _kill_group(process)
        ours.close()
    if kind == "result":
        result: Result = value
        return result
    raise _error(name, kind, value)


def report(message: str) -> None:
    """Report progress from a function that runs in a child process; does nothing elsewhere."""
    if _pipe is not None:
        _pipe.send(("progress", message))


def machine_memory() -> int:
    """Return the memory of the machine in bytes, or of the container where that has less."""
    total = int(psutil.virtual_memory().total)
    try:
        return min(total, int(CGROUP.read_text()))
    except (OSError, ValueError):  # no such file, or `max`
        return total


def format_bytes(number: float) -> str:
    """Return a number of bytes in decimal units.

    >>> format_bytes(512), format_bytes(4e9), format_bytes(1_500_000)
    ('512 bytes', '4 GB', '1.5 MB')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f} bytes"


class _Watch:
    """Waits for the answer of a child, and measures its time and memory meanwhile."""

    def __init__(
        self,
        process: multiprocessing.process.BaseProcess,
        pipe: connection.Connection,
        limits: Limits,
        name: str,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._process, self._pipe, self._limits, self._name = process, pipe, limits, name
        self._on_progress = on_progress
        self._memory_limit = int(machine_memory() * MEMORY_SHARE) if limits.memory is None else int(limits.memory)
        self._started = self._reported = time.monotonic()
        self._family: list[psutil.Process] = []
        self._family_from = 0.0

    def result(self) -> tuple[str, Any]:
        """Return the answer, as its kind and value; raises where a limit is exceeded or the child ends without one."""
        while True:
            if self._pipe.poll(POLL_SECONDS):
                try:
                    kind, value = self._pipe.recv()
                except (EOFError, OSError):
                    raise self._died() from None
                if kind != "progress":
                    return kind, value
                self._progress(value)
            self._check()

    def _check(self) -> None:
        """Raise where a limit is exceeded; report progress if that is due."""
        seconds, memory = self._seconds, self._memory()
        if seconds > self._limits.time.total_seconds():
            msg = f"{self._name} did not end within {format_span(self._limits.time)} and was stopped"
            raise errors.TrainerTimeout(msg, hint="raise retrain.limits.time, or make the training shorter")
        if memory > self._memory_limit:
            raise _out_of_memory(self._name, f"more than {format_bytes(self._memory_limit)} of memory and was stopped")
        if time.monotonic() - self._reported >= PROGRESS_SECONDS:
            self._progress("")

    def _progress(self, message: str) -> None:
        self._reported = time.monotonic()
        self._on_progress(Progress(self._seconds, self._memory(), message))

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _memory(self) -> int:
        """Return the resident memory of the child and its descendants, in bytes."""
        now = time.monotonic()
        if now - self._family_from >= FAMILY_SECONDS:
            self._family, self._family_from = _family(self._process.pid), now
        return sum(map(_resident, self._family))

    def _died(self) -> errors.TrainerError:
        """Return the error of a child that ended without an answer."""
        self._process.join(GRACE_SECONDS)
        code = self._process.exitcode
        if code == -signal.SIGKILL:
            return _out_of_memory(self._name, "more memory than the machine has left: the system killed its process")
        how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"
        return errors.TrainerError(
            f"the process of {self._name} {how} before it had a result",
            hint="it must return instead of ending its process; what it printed is above",
        )


def _family(pid: int | None) -> list[psutil.Process]:
    """Return a process and its descendants; empty if it has ended."""
    try:
        child = psutil.Process(pid)
        return [child, *child.children(recursive=True)]
    except psutil.Error:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has ended
        return 0


def _out_of_memory(name: str, how: str) -> errors.TrainerOutOfMemory:
    return errors.TrainerOutOfMemory(
        f"{name} needed {how}", hint="raise retrain.limits.memory, or shorten retrain.window"
    )


class _ChildTraceback(Exception):
    """The traceback of an exception in the child, as text: the cause of the error that is raised here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _error(name: str, kind: str, value: Any) -> Exception:
    """Return the error that a child has answered with."""
    if kind == "memory":
        return _out_of_memory(name, "more memory than it could get: it raised MemoryError")
    if kind == "leeway":
        error: Exception = value
        return error
    message, traceback = value
    made = errors.TrainerError(f"{name} {message}", hint="run the trainer by itself on a few rows")
    made.__cause__ = _ChildTraceback(traceback)
    return made


def _kill_group(process: multiprocessing.process.BaseProcess) -> None:
    """Kill a child and every process of its group, and wait until the child has ended."""
    if process.pid is None:
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # it has not become a leader yet, or nothing of the group is left
        process.kill()
    process.join(GRACE_SECONDS)


def _child(pipe: connection.Connection, payload: bytes, seed: int) -> None:
    """Run the function in the child, and send its result or its error."""
    global _pipe  # `report` is called from the user's code
    os.setpgid(0, 0)
    _end_with_parent()
    _pipe = pipe
    random.seed(seed)
    np.random.seed(seed)  # what scikit-learn's `random_state=None` uses
    pipe.send_bytes(_answer(payload))


def _answer(payload: bytes) -> bytes:
    """Call the function, and return its result or its error, pickled."""
    import traceback

    try:
        function, args = ForkingPickler.loads(payload)
        result = function(*args)
    except MemoryError:
        answer: tuple[str, Any] = "memory", None
    except errors.LeewayError as error:
        answer = "leeway", error
    except Exception as error:
        answer = "error", (f"raised {type(error).__name__}: {error}", traceback.format_exc())
    else:
        answer = "result", result
    try:
        return bytes(ForkingPickler.dumps(answer))
    except Exception as error:
        message = f"returned a {type(answer[1]).__name__} that cannot be pickled: {error}"
        return bytes(ForkingPickler.dumps(("error", (message, traceback.format_exc()))))


def _end_with_parent() -> None:
    """Kill this process group when the parent ends."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        connection.wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
