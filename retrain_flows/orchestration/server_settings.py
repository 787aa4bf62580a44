"""Settings of the project's Prefect server and of its clients: addresses, environment, and the secret between them.

Whoever may use Prefect's API may start the project's flows, so the server asks for a random secret that only this user
can read. Prefect reads its settings when it is imported, so this module does not import it.
"""

from __future__ import annotations

import base64
import copy
import json
import logging
import os
import sys
from pathlib import Path

from features.security import local_http, secret_file

URL = "PREFECT_API_URL"
"""Environment variable with the address of the API."""
AUTH = "PREFECT_API_AUTH_STRING"
"""Environment variable with ``user:password`` for it."""


def settings(state: Path) -> dict[str, str]:
    """Return the environment of Prefect in this process: files in the state folder, and no analytics.

    It has the secret of the project's own server, unless ``PREFECT_API_URL`` names another one: that one's login is in
    ``PREFECT_API_AUTH_STRING``, and must not be sent the secret.
    """
    auth = os.environ.get(AUTH, "") if os.environ.get(URL) else secret(state)
    return {
        "PREFECT_HOME": str(state / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
        # A server that Prefect starts by itself has no password: without an address, fail instead.
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        # The lease of a deployment's slot must outlive the server: in memory, the slot would stay occupied after the
        # server and a run were killed, and no incident would be decided any more.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # Prefect's progress goes to its log file (`log_to`) and pages, not to the terminal.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": os.environ.get("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING"),
        # Prefect's client, and its websockets, would send the secret to a proxy of the environment.
        **local_http.no_proxy(os.environ),
        **(client(auth) if auth else {}),
    }


def secret(state: Path) -> str:
    """Return the login of the project's server, ``user:password``; its pages ask for the whole of it.

    It is in the file `secret_path`, which is written the first time.

    Raises
    ------
    ProjectError
        The file cannot be written, or others may read it.
    """
    return secret_file.read(secret_path(state), "leeway:")


def secret_path(state: Path) -> Path:
    """Return the path of the file with the secret."""
    return state / "prefect.secret"


def client(auth: str) -> dict[str, str]:
    """Return the environment of a client that logs in by *auth* (``user:password``)."""
    # Prefect's own setting does not reach the websocket by which runs report their steps.
    return {AUTH: auth, "PREFECT_CLIENT_CUSTOM_HEADERS": json.dumps({"Authorization": basic(auth)})}


def basic(auth: str) -> str:
    """Return a login as the value of an Authorization header.

    >>> basic("leeway:secret")
    'Basic bGVld2F5OnNlY3JldA=='
    """
    return f"Basic {base64.b64encode(auth.encode()).decode()}"


def address(port: int) -> str:
    """Return the address of the API of a server on a port of this machine."""
    return f"http://127.0.0.1:{port}/api"


def origins(port: int) -> tuple[str, ...]:
    """Return the origins of the pages of a server on a port, as browsers send them."""
    return tuple(f"http://{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))


def command(port: int) -> list[str]:
    """Return the command of a server on a port of loopback, which ends with its standard input."""
    # Without Prefect's command line, `prefect server start`, which imports packages that Prefect does not declare.
    return [sys.executable, "-m", "retrain_flows.orchestration.server_main", str(port)]


def environment(state: Path, port: int) -> dict[str, str]:
    """Return the environment of a server on a port, with its data in the state folder; the secret is in it."""
    own = secret(state)
    return {
        **os.environ,
        **settings(state),
        **client(own),
        "PREFECT_SERVER_API_AUTH_STRING": own,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(origins(port)),
        # The default of the pages is an API at port 4200.
        "PREFECT_SERVER_UI_API_URL": address(port),
        # Its console is its own log file.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
    }


def log_to(state: Path) -> None:
    """Write Prefect's log records of this process to ``logs/prefect.log`` too; call it after Prefect is imported.

    Tracebacks are in that file; the console has a line for each.
    """
    logger, path = logging.getLogger("prefect"), state / "logs" / "prefect.log"
    if any(isinstance(handler, logging.FileHandler) for handler in logger.handlers):
        return
    for console in logging.getLogger().handlers:
        if type(console).__module__.startswith("prefect."):
            console.setFormatter(_OneLine("%(levelname)s %(message)s"))
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s - %(message)s"))
    logger.addHandler(handler)


class _OneLine(logging.Formatter):
    """Formats a log record as one line, without its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        plain = copy.copy(record)
        plain.exc_info = plain.exc_text = plain.stack_info = None
        return super().format(plain).splitlines()[0]
