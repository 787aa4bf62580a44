"""Child processes of the stack: started in sessions of their own, awaited until healthy, ended with their children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from features.errors import EngineError

POLL_SECONDS = 0.2
"""Interval (s) at which a starting service is checked."""
STOP_SECONDS = 20.0
"""How long a process may take to end after a signal (s)."""
LOG_BYTES = 20_000_000
"""A larger log is renamed to ``.log.old`` when its service starts, replacing an earlier one."""

Process = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Service:
    """A server to run: command, environment, log and health check.

    Its standard input stays open as long as its parent lives, so that a server can stop when its parent has died.
    *user* is the user to run as, where that is not this user. One that *may_end* was asked to by a command of its own
    if it ends with code 0, and is not started again.
    """

    name: str
    command: Sequence[str]
    log: Path
    healthy: Callable[[], bool] = lambda: True
    environment: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = 90.0
    stop_signal: signal.Signals = signal.SIGTERM
    user: str | None = None
    may_end: bool = False


@contextmanager
def running(service: Service) -> Iterator[Process]:
    """Yield *service* once it answers; it is ended with the block. Raises EngineError if it does not come up."""
    process = start(service)
    try:
        wait(service, process)
        yield process
    finally:
        stop(process, service.stop_signal)


def start(service: Service) -> Process:
    """Start *service* without waiting for it; its output is added to its log."""
    service.log.parent.mkdir(parents=True, exist_ok=True)
    if service.log.exists() and service.log.stat().st_size > LOG_BYTES:
        service.log.replace(service.log.with_suffix(".log.old"))
    with service.log.open("ab") as log:
        # A session of its own: Ctrl-C reaches only its supervisor, and it is ended with all its children.
        return subprocess.Popen(  # noqa: S603 - commands of our own making
            list(service.command), env={**(service.environment or os.environ)}, stdin=subprocess.PIPE, stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True, user=service.user, group=service.user,
            extra_groups=[] if service.user else None, cwd="/" if service.user else None,
        )  # fmt: skip


def wait(service: Service, process: Process, given_up: Callable[[], bool] = lambda: False) -> bool:
    """Return True once *service* answers, False once *given_up* returns true.

    Raises EngineError with the end of its log if it ends or takes too long.
    """
    last = time.monotonic() + service.start_seconds
    while process.poll() is None and time.monotonic() < last:
        if given_up():
            return False
        if service.healthy():
            return True
        time.sleep(POLL_SECONDS)
    how = f"it does not answer\n{tail(service.log)}" if process.poll() is None else ending(process, service.log)
    msg = f"{service.name} did not come up: {how}"
    raise EngineError(msg, hint=f"its log is {service.log}")


def stop(process: Process, first: signal.Signals = signal.SIGTERM) -> None:
    """End *process* and its children with the signal *first*, then with SIGKILL."""
    if process.stdin:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    for wanted in (first, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, wanted)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)


def ending(process: Process, log: Path) -> str:
    """Return how *process* has ended: by which signal, or with which exit code and last lines of its log."""
    code = process.returncode
    return f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with code {code}\n{tail(log)}"


def brief(why: str) -> str:
    """Return the first and the last line of the text of `ending`, as one line.

    >>> brief("it ended with code 2\\n  | error: no baseline\\n  |   hint: leeway baseline")
    'it ended with code 2: hint: leeway baseline'
    """
    first, *more = why.splitlines() or [""]
    return f"{first}: {more[-1].strip(' |')}" if more else first


def tail(log: Path, lines: int = 8) -> str:
    """Return the last *lines* of a log, indented; empty where there is none."""
    return "\n".join(f"  | {line}" for line in last_lines(log, lines))


def last_lines(log: Path, lines: int) -> list[str]:
    """Return the last *lines* of a log; none where there is none."""
    with contextlib.suppress(OSError):
        return log.read_text(errors="replace").splitlines()[-lines:]
    return []


def finish(service: Service) -> None:
    """Run *service* to its end; EngineError with the end of its log if it fails."""
    process = start(service)
    assert process.stdin is not None
    process.stdin.close()
    try:
        code = process.wait(service.start_seconds)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        stop(process)
    if code != 0:
        msg = f"{service.name} failed\n{tail(service.log)}"
        raise EngineError(msg, hint=f"its log is {service.log}")
