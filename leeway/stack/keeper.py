"""Supervision of one service: health checks, and restarts with backoff when it ends or does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from features.errors import EngineError
from leeway.stack import processes
from leeway.stack.state import Condition, Status, now

WATCH_SECONDS = 0.2
"""Interval (s) at which the process is checked."""
HEALTH_SECONDS = 5.0
"""Interval (s) at which the service's health is checked."""
SILENT_SECONDS = 60.0
"""A service that has not answered for so long (s) is restarted."""
LONGEST_WAIT_SECONDS = 30.0
"""Longest wait (s) before a restart."""
STEADY_SECONDS = 60.0
"""After so long (s) without failure, the next restart is immediate again."""


def restart_wait(failures: int) -> float:
    """Return the wait (s) before the restart after *failures* consecutive failures.

    >>> [restart_wait(n) for n in (1, 2, 3, 8)]
    [1.0, 2.0, 4.0, 30.0]
    """
    return float(min(2.0 ** (failures - 1), LONGEST_WAIT_SECONDS))


class Keeper(threading.Thread):
    """The thread that keeps a service running; *changed* is called after every change of its status.

    *tried* is set once the first start has succeeded or failed, and *came_up* whether it succeeded.
    """

    def __init__(self, service: processes.Service, changed: Callable[[], None]) -> None:
        super().__init__(name=service.name, daemon=True)
        self.service = service
        self.status = Status(service.name, "starting", now())
        self.tried = threading.Event()
        self.came_up = False
        self._changed = changed
        self._end = threading.Event()

    def run(self) -> None:
        """Keep the service running until :meth:`end` is called, or it has ended as it may."""
        failures = 0
        while not self._end.is_set():
            began = time.monotonic()
            why = self._run_once()
            self.tried.set()
            if self._end.is_set() or not why:
                break
            failures = 1 if time.monotonic() - began > STEADY_SECONDS else failures + 1
            restarts = self.status.restarts + 1
            self._set_condition("waiting", why=why, pid=None, restarts=restarts)
            if failures > 1:
                self._end.wait(restart_wait(failures))
        self.tried.set()
        self._set_condition("stopped", pid=None)

    def end(self) -> None:
        """Stop the service; `join` waits until it has stopped."""
        self._end.set()

    def _run_once(self) -> str:
        """Run the service once, until it ends or is stopped; return why it ended, empty if it is to stay so."""
        try:
            process = processes.start(self.service)
        except OSError as error:
            return f"it cannot be started: {error}"
        self._set_condition("starting", pid=process.pid)
        try:
            if not processes.wait(self.service, process, self._end.is_set):
                return ""
            self.came_up = True
            self._set_condition("up", why="")
            self.tried.set()
            return self._watch(process)
        except EngineError as error:
            return error.message
        finally:
            processes.stop(process, self.service.stop_signal)

    def _watch(self, process: processes.Process) -> str:
        """Watch a running process; return why it ended or has to be restarted, empty if it is not to run on."""
        answered = looked = time.monotonic()
        while not self._end.wait(WATCH_SECONDS):
            at = time.monotonic()
            if process.poll() is not None:
                if self.service.may_end and process.returncode == 0:
                    return ""
                return processes.ending(process, self.service.log)
            if at - looked < HEALTH_SECONDS:
                continue
            looked = at
            if self.service.healthy():
                answered = at
            if at - answered > SILENT_SECONDS:
                return f"it did not answer for {SILENT_SECONDS:.0f} s"
            self._set_condition("up" if answered == at else "silent")
        return ""

    def _set_condition(self, condition: Condition, **more: object) -> None:
        since = self.status.since if condition == self.status.condition else now()
        before, self.status = self.status, replace(self.status, condition=condition, since=since, **more)  # type: ignore[arg-type]
        if before != self.status:
            self._changed()
