"""The HTTP server of online serving: uvicorn, with bounds on what a connection may hold without sending a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

GRACE_SECONDS = 20
"""Seconds that requests under way have to end after SIGTERM."""


class PromptHeaders(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, on connections whose headers come in time.

    uvicorn waits for headers without end, so that a few thousand slow connections would take all file descriptors. The
    time runs from the connection's start, or a later request's first byte, until its headers are complete.
    """

    header_seconds: ClassVar[float] = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request's headers."""
        super().connection_made(transport)
        self._await_headers()

    def on_message_begin(self) -> None:
        """Begin to wait for a request's headers, unless that has begun."""
        super().on_message_begin()
        if self._late is None:
            self._await_headers()

    def on_headers_complete(self) -> None:
        """End the wait."""
        self._came()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the wait."""
        self._came()
        super().connection_lost(exc)

    _late: asyncio.TimerHandle | None = None

    def _await_headers(self) -> None:
        self._late = self.loop.call_later(self.header_seconds, self._close_late)

    def _came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close_late(self) -> None:
        if not self.transport.is_closing():
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
    uvicorn.run(
        app, host=host, port=port, log_level="warning", server_header=False, proxy_headers=False, ws="none",
        http=PromptHeaders, loop="uvloop", limit_concurrency=connections, timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip
