"""Outages of Prefect's server: which errors are one, and patience until it answers again.

Prefect's clients give up at once where a connection is refused. A server that restarts would so end runs that have done
all of their work: each call of a run's process waits for it instead (`be_patient`).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import httpx
from prefect.client.base import PrefectHttpxSyncClient
from prefect.exceptions import PrefectException, PrefectHTTPStatusError
from websockets.exceptions import WebSocketException

from features import errors
from retrain_flows.orchestration import server, server_settings

FIRST_SECONDS: Final = 1.0
"""The first pause before another attempt; each one is twice as long as the one before."""
LONGEST_SECONDS: Final = 30.0
"""The longest pause between two attempts."""
PATIENCE: Final = timedelta(minutes=10)
"""How long a run's process waits for a server at each call before it ends without the server's knowledge."""


def pauses() -> Iterator[float]:
    """Yield the pauses between attempts, in seconds: doubled each time, up to `LONGEST_SECONDS`.

    >>> from itertools import islice
    >>> list(islice(pauses(), 7))
    [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    """
    seconds = FIRST_SECONDS
    while True:
        yield seconds
        seconds = min(2 * seconds, LONGEST_SECONDS)


def is_outage(error: BaseException) -> bool:
    """Return whether an error says that the server is away, overloaded or restarting.

    >>> is_outage(httpx.ConnectError("refused")), is_outage(ValueError())
    (True, False)
    """
    if isinstance(error, PrefectHTTPStatusError):
        return error.response.status_code >= 500
    if isinstance(error, RuntimeError):
        return "reach API" in str(error)  # the only one of Prefect's client about its server
    return isinstance(error, httpx.TransportError | ConnectionError | WebSocketException)


def is_servers(error: BaseException) -> bool:
    """Return whether an error is an outage, or an answer of the server that may be another one later.

    >>> is_servers(PrefectException()), is_servers(KeyError())
    (True, False)
    """
    return is_outage(error) or isinstance(error, httpx.HTTPError | PrefectException)


def answers(url: str, auth: str) -> bool:
    """Return whether the server at *url* answers; it may still refuse *auth*, which is no outage."""
    try:
        server.check(url, auth)
    except errors.EngineAway:
        return False
    except errors.EngineError as error:
        return "refuses: 5" not in error.message
    return True


def cause(error: BaseException) -> str:
    """Return an error in one line.

    >>> cause(httpx.ConnectError("[Errno 111] Connection refused"))
    '[Errno 111] Connection refused'
    """
    return (str(error) or type(error).__name__).splitlines()[0]


@contextmanager
def prefect_errors() -> Iterator[None]:
    """Raise errors of Prefect's client that its server causes as EngineAway."""
    try:
        yield
    except (httpx.HTTPError, PrefectException, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not is_outage(error):
            raise
        msg = f"Prefect at {os.environ.get(server_settings.URL)} fails: {cause(error)}"
        raise errors.EngineAway(
            msg, hint=f"see its log; is {server_settings.URL} right, and its server running?"
        ) from error


def be_patient() -> None:
    """Let each call of this process's synchronous Prefect clients wait up to `PATIENCE` for a server that is away.

    The engine of a run creates its client itself, so its class is changed here.
    """
    setattr(PrefectHttpxSyncClient, "send", _patient(PrefectHttpxSyncClient.send))  # noqa: B010 - mypy


def _patient(send: Callable[..., Any]) -> Callable[..., Any]:
    """Return *send* with repetitions, the first of which is logged."""

    def patient(self: Any, request: Any, *args: Any, **options: Any) -> Any:
        """Send a request, again and again while the server is away, up to `PATIENCE`."""
        end, logger = time.monotonic() + PATIENCE.total_seconds(), logging.getLogger("prefect.leeway")
        for attempt, pause in enumerate(pauses()):
            try:
                return send(self, request, *args, **options)
            except (httpx.TransportError, PrefectHTTPStatusError) as error:
                if not is_outage(error) or time.monotonic() > end:
                    raise
                if attempt == 0:
                    logger.warning("Prefect's server does not answer; the run waits for it: %s", cause(error))
                time.sleep(pause)
        raise AssertionError  # pauses() does not end

    return patient
