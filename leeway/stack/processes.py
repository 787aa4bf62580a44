"""Servers as child processes: in sessions of their own, waited for until they answer, ended with all children."""

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
STOP_SECONDS = 20.0
LOG_BYTES = 20_000_000
"""A log that is larger when its service starts is set aside; the one set aside before it is lost."""

Process = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Service:
    """A server to run: its command, its environment, where its log goes, and how to tell that it answers.

    Its standard input stays open as long as its parent lives: a server may take its end as the word to stop.
    *user* is whom it runs as, where that is not this user.
    """

    name: str
    command: Sequence[str]
    log: Path
    healthy: Callable[[], bool] = lambda: True
    environment: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = 90.0
    stop_signal: signal.Signals = signal.SIGTERM
    user: str | None = None


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
        # A session of its own: Ctrl-C reaches whoever supervises it, and it is ended with all its children.
        return subprocess.Popen(  # noqa: S603 - commands of our own making
            list(service.command), env={**(service.environment or os.environ)}, stdin=subprocess.PIPE, stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True, user=service.user, group=service.user,
            extra_groups=[] if service.user else None, cwd="/" if service.user else None,
        )  # fmt: skip


def wait(service: Service, process: Process, given_up: Callable[[], bool] = lambda: False) -> bool:
    """Return True once *service* answers, or False once *given_up* says so.

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
    """End *process* and what it started: asked by the signal *first*, then killed."""
    if process.stdin:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    for wanted in (first, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, wanted)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)


def ending(process: Process, log: Path) -> str:
    """Return how *process* has ended: by which signal, or with which code and last words."""
    code = process.returncode
    return f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with code {code}\n{tail(log)}"


def brief(why: str) -> str:
    """Return the first and the last line of what `ending` says, as one.

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
