"""A Prefect server of the project's own, where there is none: on loopback, behind a secret, data in the state folder.

Whoever may use Prefect's API may start the project's flows, so the server asks for a random secret that only this user
can read, and takes requests from its own pages alone. Prefect reads its settings when it is imported, so this module
knows them and does not import it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from features import errors
from features.security import secret_file

URL, AUTH = "PREFECT_API_URL", "PREFECT_API_AUTH_STRING"
START_SECONDS = 120
"""How long a stack waits before it starts one anew."""
STOP_SECONDS = 15
ASK_SECONDS = 10


def settings(state: Path) -> dict[str, str]:
    """Return the environment that Prefect is to see: its files under *state*, and no word to its makers.

    It holds the secret of the server that belongs to *state*, unless ``PREFECT_API_URL`` is set: whoever says where a
    server is says in ``PREFECT_API_AUTH_STRING`` how to get in, and ours is no business of another server's.
    """
    auth = os.environ.get(AUTH, "") if os.environ.get(URL) else secret(state)
    return {
        "PREFECT_HOME": str(state / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
        # A server that Prefect starts by itself has no password; without an address it is to fail instead.
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        # Who holds a deployment's one slot must outlive the server: kept in memory, a slot would be taken for ever once
        # the server and a run had been killed, and no incident would be looked at again.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # What Prefect is doing is for the log file (`log_to`) and its pages, not for whoever called a command.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": os.environ.get("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING"),
        **(client(auth) if auth else {}),
    }


def secret(state: Path) -> str:
    """Return what the server of *state* asks for, ``user:password``; its pages ask for the whole of it.

    It is in `secret_path`, which is made the first time. Raises ProjectError if that cannot be, or others may read it.
    """
    return secret_file.read(secret_path(state), "leeway:")


def secret_path(state: Path) -> Path:
    """Return the file with the secret."""
    return state / "prefect.secret"


def client(auth: str) -> dict[str, str]:
    """Return the settings of a client that gets in by *auth* (``user:password``)."""
    # Prefect's own setting does not reach the socket by which runs tell how their steps go.
    return {AUTH: auth, "PREFECT_CLIENT_CUSTOM_HEADERS": json.dumps({"Authorization": basic(auth)})}


def basic(auth: str) -> str:
    """Return *auth* as an Authorization header.

    >>> basic("leeway:secret")
    'Basic bGVld2F5OnNlY3JldA=='
    """
    return f"Basic {base64.b64encode(auth.encode()).decode()}"


@contextmanager
def running(state: Path) -> Iterator[str]:
    """Yield the address of a Prefect API: one that is there (see `running_already`), or a server started here.

    A server started here is waited for until it answers, and ends with the block or with this process, also if the
    process is killed.

    Raises:
        EngineAway: the server that ``PREFECT_API_URL`` names does not answer.
        EngineError: it refuses, or the server started here ends before it answers.
    """
    if there := running_already(state, {}):
        yield there[URL]
        return
    port, log = _free_port(), state / "logs" / "prefect-server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    url, note = address(port), state / "prefect" / "url"
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
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(url, encoding="ascii")
            yield url
        finally:
            note.unlink(missing_ok=True)
            _stop(server)


def running_already(state: Path, stack: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a client of the server that is there already, none where there is none.

    It is the one of ``PREFECT_API_URL``, that of a running *stack* (by the same variable), or one that another process
    has started for *state* and that answers.

    Raises:
        EngineAway: the one that a variable names does not answer.
        EngineError: it refuses.
    """
    if url := os.environ.get(URL):
        check(url, os.environ.get(AUTH, ""))
        return {URL: url}
    if url := stack.get(URL):
        check(url, stack.get(AUTH, ""))
        return {URL: url, **client(stack.get(AUTH, ""))}
    with contextlib.suppress(OSError, errors.EngineError):
        url = (state / "prefect" / "url").read_text(encoding="ascii")
        check(url, auth := secret(state))
        return {URL: url, **client(auth)}
    return {}


def check(url: str, auth: str) -> None:
    """Ask the API at *url* whether *auth* (``user:password``, may be empty) gets in.

    Raises:
        EngineAway: it does not answer.
        EngineError: it refuses.
    """
    try:
        question = urllib.request.Request(
            f"{url}/admin/version", headers={"Authorization": basic(auth)} if auth else {}
        )
        with urllib.request.urlopen(question, timeout=ASK_SECONDS):
            return
    except urllib.error.HTTPError as error:
        if os.environ.get("PREFECT_API_KEY") and error.code in (401, 403, 404):
            return  # a service with keys of its own, which Prefect's client knows how to show
        msg = f"the Prefect server at {url} refuses: {error.code} {error.reason}"
        raise errors.EngineError(msg, hint=f"set {AUTH} to its user:password, or unset {URL}") from error
    except (OSError, ValueError) as error:
        msg = f"the Prefect server at {url} does not answer: {getattr(error, 'reason', error)}"
        raise errors.EngineAway(msg, hint=f"start it, correct {URL}, or unset that to do without") from error


def address(port: int) -> str:
    """Return where the API of a server on *port* of this machine is."""
    return f"http://127.0.0.1:{port}/api"


def origins(port: int) -> tuple[str, ...]:
    """Return where the pages of a server on *port* are, as a browser names them."""
    return tuple(f"http://{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))


def command(port: int) -> list[str]:
    """Return the command that serves on *port* of loopback until its standard input ends."""
    # As `prefect server start` does, but without Prefect's command line: it imports what Prefect does not declare.
    return [sys.executable, "-m", "retrain_flows.orchestration.server_main", str(port)]


def environment(state: Path, port: int) -> dict[str, str]:
    """Return the environment of a server on *port* with its data under *state*; the secret is in it."""
    own = secret(state)
    return {
        **os.environ,
        **settings(state),
        **client(own),
        "PREFECT_SERVER_API_AUTH_STRING": own,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(origins(port)),
        # The pages ask the browser to look for the API at port 4200 unless they are told.
        "PREFECT_SERVER_UI_API_URL": address(port),
        # A server writes a log of its own.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
    }


def log_to(state: Path) -> None:
    """Have all that Prefect says in this process written to ``logs/prefect.log`` too; call it once it is imported."""
    logger, path = logging.getLogger("prefect"), state / "logs" / "prefect.log"
    if any(isinstance(handler, logging.FileHandler) for handler in logger.handlers):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s - %(message)s"))
    logger.addHandler(handler)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until *server* answers, however slow the machine is. Raises EngineError if it ends instead."""
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=ASK_SECONDS):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    msg = f"the Prefect server ended with code {server.returncode} before it answered"
    raise errors.EngineError(msg, hint=f"see {log}, or set {URL} to one that runs")


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.stdin:
        with contextlib.suppress(BrokenPipeError):
            server.stdin.close()
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        if server.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, wanted)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(STOP_SECONDS)
