"""A Prefect server of the project's own, where there is none: on loopback, with its data in the state folder.

Prefect reads its settings when it is imported, so this module knows them and does not import it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from features import errors

START_SECONDS = 120
STOP_SECONDS = 15


def settings(state: Path) -> dict[str, str]:
    """Return the environment that Prefect is to see: its files under *state*, and no word to its makers."""
    return {
        "PREFECT_HOME": str(state / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
        # Who holds a deployment's one slot must outlive the server: kept in memory, a slot would be taken for ever once
        # the server and a run had been killed, and no incident would be looked at again.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }


@contextmanager
def running(state: Path) -> Iterator[str]:
    """Yield the address of a Prefect API: ``PREFECT_API_URL``'s, or a server started here and stopped in the end.

    A server started here ends with this process, also if the process is killed.

    Raises:
        EngineError: the server does not start.
    """
    known = os.environ.get("PREFECT_API_URL")
    if known:
        yield known
        return
    port, log = _free_port(), state / "logs" / "prefect-server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    url = address(port)
    with log.open("ab") as file:
        # A session of its own: Ctrl-C reaches the flows first, and the server is stopped with all its children.
        server = subprocess.Popen(  # noqa: S603 - our own interpreter
            command(port),
            env=environment(state, port),
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            _wait(server, url, log)
            yield url
        finally:
            _stop(server)


def address(port: int) -> str:
    """Return where the API of a server on *port* of this machine is."""
    return f"http://127.0.0.1:{port}/api"


def command(port: int) -> list[str]:
    """Return the command that serves on *port* of loopback until its standard input ends."""
    # As `prefect server start` does, but without Prefect's command line: it imports what Prefect does not declare.
    return [sys.executable, "-m", "retrain_flows.harness", str(port)]


def environment(state: Path, port: int) -> dict[str, str]:
    """Return the environment of a server on *port* with its data under *state*."""
    # The pages ask the browser to look for the API at port 4200 unless they are told.
    return {**os.environ, **settings(state), "PREFECT_SERVER_UI_API_URL": address(port)}


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < give_up:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    msg = "the Prefect server did not start"
    raise errors.EngineError(msg, hint=f"see {log}, or set PREFECT_API_URL to one that runs")


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.stdin:
        server.stdin.close()
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        if server.poll() is None:
            os.killpg(server.pid, wanted)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(STOP_SECONDS)
