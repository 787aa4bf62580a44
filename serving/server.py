"""The HTTP server of online serving: uvicorn, with a bound on the time in which a request must have come."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SWITCH_SECONDS = 0.0005
"""Seconds for which a thread may keep the interpreter while the event loop waits for it, in place of Python's 5 ms: the
threads that write the log, load models or ask the registry would delay each answer by that."""
GRACE_SECONDS = 20
"""Seconds that requests under way have to end after SIGTERM."""


class JoinedWrites:
    """A transport that sends what is written in one turn of the event loop at once.

    uvicorn writes the header and the body of an answer one after the other. Each would be a call of the system and a
    packet of its own.

    Parameters
    ----------
    transport
        The connection.
    loop
        The event loop that it belongs to.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, part: bytes) -> None:
        """Send *part* when the code that runs now waits for something."""
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(part)

    def close(self) -> None:
        """Send what was written, and close the connection."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._parts and not self._transport.is_closing():
            self._transport.write(b"".join(self._parts))
        self._parts.clear()


class PromptRequests(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, on connections whose requests come in time.

    uvicorn waits for headers and bodies without end, so that a few thousand slow connections would take all file
    descriptors. The time runs from the connection's start, or a later request's first byte, until the request has come.
    """

    seconds: ClassVar[float] = 10.0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type]
        self._deadline = self.loop.call_later(self.seconds, self._refuse_late)

    def on_message_begin(self) -> None:
        """Begin to wait for a request, unless that has begun."""
        super().on_message_begin()
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.seconds, self._refuse_late)

    def on_message_complete(self) -> None:
        """End the wait."""
        self._end_wait()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the wait."""
        self._end_wait()
        super().connection_lost(exc)

    def _end_wait(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse_late(self) -> None:
        """Close the connection; answer 408 first, unless the application is answering."""
        if self.transport.is_closing():
            return
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            problem = f'{{"error":"the request did not come within {self.seconds:g} s: send it faster, or fewer rows"}}'
            head = f"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\ncontent-length: {len(problem)}"
            self.transport.write(f"{head}\r\nconnection: close\r\n\r\n{problem}".encode())
        self.transport.close()


def run(app: Callable[..., Any], *, host: str, port: int, connections: int) -> None:
    """Serve *app* until SIGINT or SIGTERM; requests under way are answered first.

    Parameters
    ----------
    app
        The ASGI application, with its access control.
    host, port
        Where to listen.
    connections
        Most connections; requests on further ones are answered with 503.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    uvicorn.run(
        app, host=host, port=port, log_level="warning", server_header=False, proxy_headers=False, ws="none",
        http=PromptRequests, loop="uvloop", limit_concurrency=connections, timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip
