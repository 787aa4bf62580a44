"""Who may talk to a server on this machine: its own pages and clients that know its secret, by its own names.

A server on loopback is within reach of every account of the machine, and of every web page that its user opens: a page
may send requests to any address, and its name may be made to point to 127.0.0.1 (DNS rebinding). The first is told by
the Origin that browsers send along, the second by the Host, and accounts by the secret. Plain ASGI, so that it can
stand before any app.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Guard:
    """Lets through to *app* what comes by one of *origins* (``http://host:port``) and shows *authorization*.

    *authorization* is the header's value, asked for by everything under ``/api`` but the paths in *open_paths* (health)
    and the sockets in *asking_sockets*, which ask for the secret by themselves before anything else.
    """

    app: App
    origins: Sequence[str]
    authorization: str
    open_paths: frozenset[str] = frozenset()
    asking_sockets: frozenset[str] = frozenset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does, or refuse."""
        refused = self.refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refused is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refused[1]})
        else:
            await _answer(send, *refused)

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return why a request is refused, as a status and a sentence; None if it is not."""
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if len(hosts) != 1 or f"http://{hosts[0]}" not in self.origins:
            return 403, "This server goes by another name: see the address that it was started with."
        if not set(origins) <= set(self.origins):
            return 403, "Requests of other pages are not taken."
        if self._is_open(scope) or self._knows(_values(scope, b"authorization")):
            return None
        return 401, "Unauthorized"

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        if scope["type"] == "websocket":
            return path in self.asking_sockets
        if scope["method"] == "OPTIONS":  # a browser asks before it sends; nothing is done yet
            return True
        return path.split("/")[1:2] != ["api"] or (scope["method"] in ("GET", "HEAD") and path in self.open_paths)

    def _knows(self, shown: Sequence[str]) -> bool:
        return len(shown) == 1 and hmac.compare_digest(shown[0].encode(), self.authorization.encode())


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


async def _answer(send: Send, status: int, why: str) -> None:
    body = json.dumps({"exception_message": why}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
