"""The supervisor process of a stack: starts engines, then services, keeps them running, and ends them all.

Run as `python -m leeway.stack.supervisor PROJECT_FILE`, by `leeway up`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import filelock

from features.errors import EngineError, LeewayError
from leeway.project import environment
from leeway.project.load import Project
from leeway.stack import build, plan, processes, state
from leeway.stack.keeper import Keeper
from leeway.stack.plan import Plan


def main(project: Path, everything: bool) -> int:
    """Run the stack of *project* until SIGTERM or SIGINT; return the exit code: 1 if it did not come up."""
    stack = plan.plan_stack(Project.load(project), everything)
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    try:
        with state.lock(stack.folder).acquire(timeout=0):
            return Supervisor(stack, end).run()
    except filelock.Timeout:
        return 1


class Supervisor:
    """A running stack; it is stopped when *end* is set."""

    def __init__(self, stack: Plan, end: threading.Event) -> None:
        self.plan = stack
        self._end = end
        self._keepers: list[Keeper] = []
        self._lock = threading.Lock()
        self._state = state.State("starting", os.getpid(), state.now())

    def run(self) -> int:
        """Start everything, keep it running until *end* is set, and stop it; return 1 if it did not start."""
        self._set_phase("starting")
        try:
            self._live()
        except LeewayError as error:
            self._clear()
            self._set_phase("failed", error.message, error.hint)
            return 1
        except BaseException as error:
            self._clear()
            self._set_phase("failed", f"{type(error).__name__}: {error}", f"see {self.plan.logs / 'supervisor.log'}")
            raise
        self._clear()
        self._set_phase("stopped")
        return 0

    def _live(self) -> None:
        """Start the engines, migrate the registry, start Leeway's services, and wait until the stack is to end."""
        with self._running(build.engines(self.plan)) as engines:
            self._await(engines)
            if self._end.is_set():
                return
            self._write_addresses()
            processes.finish(build.migration(self.plan))
            with self._running(build.leeway_services(self.plan)) as services:
                self._await(services, needed=False)
                self._set_phase("up")
                self._end.wait()

    @contextmanager
    def _running(self, services: Sequence[processes.Service]) -> Iterator[list[Keeper]]:
        """Start services, each with its keeper, and yield the keepers; all are ended when the block is left."""
        made = [Keeper(service, self._changed) for service in services]
        self._keepers += made
        for keeper in made:
            keeper.start()
        try:
            yield made
        finally:
            self._set_phase("stopping")
            for keeper in made:
                keeper.end()
            for keeper in made:
                keeper.join()

    def _await(self, keepers: Sequence[Keeper], needed: bool = True) -> None:
        """Wait for the first start of each; EngineError if one that is *needed* failed."""
        for keeper in keepers:
            while not keeper.tried.wait(0.2):
                if self._end.is_set():
                    return
            if needed and not keeper.came_up:
                raise EngineError(keeper.status.why, hint=f"its log is {keeper.service.log}")

    def _write_addresses(self) -> None:
        file = environment.env_file(self.plan.state)
        file.touch(mode=0o600)
        file.chmod(0o600)  # the database's password is in it
        file.write_text("".join(f"{k}={v}\n" for k, v in build.settings(self.plan).items()), encoding="utf-8")

    def _clear(self) -> None:
        environment.env_file(self.plan.state).unlink(missing_ok=True)
        state.end_leftovers(self.plan.folder)

    def _set_phase(self, phase: state.Phase, why: str = "", hint: str = "") -> None:
        with self._lock:
            self._state = replace(self._state, phase=phase, why=why, hint=hint)
        self._changed()

    def _changed(self) -> None:
        with self._lock:
            self._state = replace(self._state, services=tuple(k.status for k in self._keepers))
            state.save(self.plan.folder, self._state)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), "--all" in sys.argv[2:]))
