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
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, Final, TypeVar

from features import errors
from features.window import format_span
from retrain_flows.config import Limits
from retrain_flows.training import trainer_child
from retrain_flows.training.process_memory import GroupMemory, format_bytes, machine_memory

Result = TypeVar("Result")

POLL_SECONDS: Final = 0.1
"""How often the memory of the child is measured. In this time a process can fill some 200 MB."""
PROGRESS_SECONDS: Final = 30.0
"""How often progress is reported while the function itself reports none."""
GRACE_SECONDS: Final = 5.0
"""How long the end of a killed child is waited for."""
_HASH_SEED: Final = "PYTHONHASHSEED"
_ENVIRONMENT: Final = threading.Lock()
"""Held by a thread that changes the environment for a child."""
MEMORY_SHARE: Final = 0.8
"""Share of the machine's memory that a child may use where no limit is set."""


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
        Called in this thread whenever the function calls :func:`retrain_flows.training.trainer_child.report`, and
        every `PROGRESS_SECONDS` in between.

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
    process = spawn.Process(target=trainer_child.run, args=(theirs, payload, seed), name=name)
    try:
        start(process)
        theirs.close()
        kind, value = _Watch(process, ours, limits, name, on_progress).result()
    finally:
        _kill_group(process)
        ours.close()
    if kind == "result":
        result: Result = value
        return result
    raise error_of(name, kind, value)


def start(process: multiprocessing.process.BaseProcess) -> None:
    """Start a child with hash seed 0: the order of sets is the same in every one, as are models that depend on it."""
    with _ENVIRONMENT:
        before = os.environ.get(_HASH_SEED)
        os.environ[_HASH_SEED] = "0"  # read by an interpreter as it starts, and by nothing else
        try:
            process.start()
        finally:
            os.environ.pop(_HASH_SEED)
            if before is not None:
                os.environ[_HASH_SEED] = before


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
        self._used = GroupMemory(process.pid)

    def result(self) -> tuple[str, Any]:
        """Return the answer, as its kind and value; raises where a limit is exceeded or the child ends without one."""
        while True:
            if self._pipe.poll(POLL_SECONDS):
                try:
                    kind, value = self._pipe.recv()
                except (EOFError, OSError):
                    raise self._died() from None
                except Exception as error:  # the classes of a result are imported here as it is read
                    raise _unreadable(self._name, error) from error
                if kind != "progress":
                    return kind, value
                self._progress(value)
            self._check()

    def _check(self) -> None:
        """Raise where a limit is exceeded; report progress if that is due."""
        seconds, memory = self._seconds, self._used.measure()
        if seconds > self._limits.time.total_seconds():
            msg = f"{self._name} did not end within {format_span(self._limits.time)} and was stopped"
            raise errors.TrainerTimeout(msg, hint="raise retrain.limits.time, or make the training shorter")
        if memory > self._memory_limit:
            raise _out_of_memory(self._name, f"more than {format_bytes(self._memory_limit)} of memory and was stopped")
        if time.monotonic() - self._reported >= PROGRESS_SECONDS:
            self._progress("")

    def _progress(self, message: str) -> None:
        self._reported = time.monotonic()
        self._on_progress(Progress(self._seconds, self._used.measure(), message))

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._started

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


def _unreadable(name: str, error: Exception) -> errors.TrainerError:
    return errors.TrainerError(
        f"what {name} returned cannot be read here: {type(error).__name__}: {error}",
        hint="its classes must be in modules beside the project file, or in installed ones",
    )


def _out_of_memory(name: str, how: str) -> errors.TrainerOutOfMemory:
    return errors.TrainerOutOfMemory(
        f"{name} needed {how}", hint="raise retrain.limits.memory, or shorten retrain.window"
    )


class _ChildTraceback(Exception):
    """The traceback of an exception in the child, as text: the cause of the error that is raised here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def error_of(name: str, kind: str, value: Any) -> Exception:
    """Return the error that a child has answered with."""
    if kind == "memory":
        return _out_of_memory(name, "more memory than it could get: it raised MemoryError")
    error, traceback = value
    made: Exception = error
    if kind != "leeway":
        hint = "run the trainer by itself on a few rows; LEEWAY_DEBUG=1 shows its traceback"
        made = errors.TrainerError(f"{name} {error}", hint=hint)
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
