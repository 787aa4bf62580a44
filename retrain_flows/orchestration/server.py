"""Prefect server of a project, started if there is none: on loopback, with its data in the state folder."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from features import errors
from features.files.whole_file import write_whole
from features.security import local_http
from retrain_flows.orchestration import server_process
from retrain_flows.orchestration.server_settings import (
    AUTH,
    URL,
    address,
    basic,
    client,
    command,
    environment,
    secret,
    secret_path,
)

START_SECONDS = 120
"""How long a stack waits for the server before it starts another one."""
STOP_SECONDS = 15
"""How long a server may take to end before it is killed."""
ASK_SECONDS = 10
"""Timeout of one request."""
WAIT_SECONDS = 600
"""How long a server that was started here may take to answer: machines may be slow."""


@contextmanager
def running(state: Path) -> Iterator[str]:
    """Yield the address of a Prefect API: of a running server (see `running_already`), or of one started here.

    A server that is started here ends with the block or with this process, also if the process is killed.

    Raises
    ------
    EngineAway
        The server that ``PREFECT_API_URL`` names does not answer.
    EngineError
        It refuses the secret, or the server started here ends before it answers.
    """
    with watched(state) as (url, _):
        yield url


@contextmanager
def watched(state: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield what `running` does, with a function that starts a server of this process anew if it has ended."""
    if there := running_already(state, {}):
        yield there[URL], _nothing
        return
    own = _OwnServer(state)
    try:
        own.start()
        own.wait()
        own.note.parent.mkdir(parents=True, exist_ok=True)
        write_whole(own.note, own.url.encode())
        yield own.url, own.revive
    finally:
        own.note.unlink(missing_ok=True)
        own.stop()


def _nothing() -> None:
    """Do nothing: the server is somebody else's."""


class _OwnServer:
    """A server that this process has started, at a port that it keeps when it is started anew."""

    def __init__(self, state: Path) -> None:
        self._state, self._port = state, _free_port()
        self.url, self.note = address(self._port), state / "prefect" / "url"
        self._log = state / "logs" / "prefect-server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server's process."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as file:
            # In a session of its own, Ctrl-C does not reach it before the flows, and it can be stopped with its
            # children.
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                command(self._port),
                env=environment(self._state, self._port),
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until the server answers; EngineError if it ends instead."""
        if self._process is not None:
            _wait(self._process, self.url, self._log, _account(self._state))

    def revive(self) -> None:
        """Start the server anew if it has ended."""
        if self._process is not None and self._process.poll() is not None:
            self.stop()
            self.start()

    def stop(self) -> None:
        """End the server's process."""
        if self._process is not None:
            _stop(self._process)


def running_already(state: Path, stack: Mapping[str, str]) -> dict[str, str]:
    """Return the client settings for a server that is running; empty if there is none.

    It is the server of ``PREFECT_API_URL``, that of a running stack, or one that another process has started for the
    project and that answers; in this order.

    Parameters
    ----------
    state
        The project's state folder.
    stack
        The environment variables of the running stack; empty without one.

    Raises
    ------
    EngineAway
        The server that a variable names, or the stack's, does not answer.
    EngineError
        It refuses the secret.
    """
    if url := os.environ.get(URL):
        check(url, os.environ.get(AUTH, ""))
        return {URL: url}
    if url := stack.get(URL):
        check_own(state, url, stack.get(AUTH, ""))
        return {URL: url, **client(stack.get(AUTH, ""))}
    with contextlib.suppress(OSError, ValueError, errors.EngineError):
        url = (state / "prefect" / "url").read_text(encoding="ascii")
        check_own(state, url, auth := secret(state))
        return {URL: url, **client(auth)}
    return {}


def check_own(state: Path, url: str, auth: str) -> None:
    """Check a server of the project as :func:`check` does, and before anything is sent that it is the one at its port.

    Its address is in a file that survives it, and another account may listen there by now.

    Raises
    ------
    EngineAway
        It does not listen, or does not answer.
    EngineError
        It refuses the login.
    """
    if not server_process.listens(url, _account(state)):
        msg = f"the Prefect server at {url} does not answer: no server of this project listens there"
        raise errors.EngineAway(msg, hint="start it with `leeway up`, or forget the stack with `leeway down`")
    check(url, auth)


def _account(state: Path) -> int:
    """Return the user id of the account that has the project's secret, which its server runs as."""
    secret(state)  # there is one then
    return secret_path(state).stat().st_uid


def check(url: str, auth: str) -> None:
    """Check that a Prefect API answers and accepts a login (``user:password``; may be empty).

    Raises
    ------
    EngineAway
        It does not answer.
    EngineError
        It refuses the login.
    """
    try:
        request = urllib.request.Request(f"{url}/admin/version", headers={"Authorization": basic(auth)} if auth else {})
        with local_http.opened(request, timeout=ASK_SECONDS):
            return
    except urllib.error.HTTPError as error:
        if os.environ.get("PREFECT_API_KEY") and error.code in (401, 403, 404):
            return  # a service with API keys, which Prefect's client sends
        msg = f"the Prefect server at {url} refuses: {error.code} {error.reason}"
        raise errors.EngineError(msg, hint=f"set {AUTH} to its user:password, or unset {URL}") from error
    except (OSError, ValueError, HTTPException) as error:
        msg = f"the Prefect server at {url} does not answer: {getattr(error, 'reason', error)}"
        raise errors.EngineAway(msg, hint=f"start it, correct {URL}, or unset {URL} to do without a server") from error


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], url: str, log: Path, account: int) -> None:
    """Wait until a server answers, and nobody else in its place; EngineError if it ends instead, or takes too long."""
    give_up = time.monotonic() + WAIT_SECONDS
    while server.poll() is None and time.monotonic() < give_up:
        if server_process.listens(url, account) and local_http.answers(f"{url}/health", timeout=ASK_SECONDS):
            return
        time.sleep(0.5)
    code = server.returncode
    how = f"did not answer within {WAIT_SECONDS} s" if code is None else f"ended with code {code} before it answered"
    msg = f"the Prefect server {how}"
    raise errors.EngineError(msg, hint=f"see {log}, or set {URL} to a running server")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End a server and its children: by closing its standard input, then SIGTERM, then SIGKILL."""
    if server.stdin:
        with contextlib.suppress(BrokenPipeError):
            server.stdin.close()
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        if server.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, wanted)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(STOP_SECONDS)
