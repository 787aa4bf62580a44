"""Access control of a server on loopback: Host and Origin headers, and a secret, as ASGI middleware.

A server on loopback can be reached by all accounts of the machine and by any web page that its user opens. A page may
send requests to any address (cross-site request forgery), and its host name may be made to resolve to 127.0.0.1 (DNS
rebinding). The Origin header shows the first, the Host header the second, and the secret keeps out other accounts.

The dashboard's checks (:mod:`dashboards.host_check`, :mod:`dashboards.security`) are others, for a server that may be
behind a proxy under a name of its own. Here the addresses are known to the port, and sockets are checked too. Prefect's
pages at ``localhost`` ask the API at ``127.0.0.1``, which Sec-Fetch-Site calls another site: only Origin can tell them
from foreign ones. Nobody is made to wait after a wrong secret: it is random, with more bits than can be guessed.
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
    """ASGI middleware that passes on requests with the right Host, Origin and Authorization headers.

    Parameters
    ----------
    app
        The application behind it.
    origins
        The server's own addresses, ``http://host:port``, for Host and Origin.
    authorization
        The value of the Authorization header that paths under ``/api`` and websockets require.
    open_paths
        Paths that may be read without it (health).
    asking_sockets
        Websockets that ask for the secret themselves before anything else.
    """

    app: App
    origins: Sequence[str]
    authorization: str
    open_paths: frozenset[str] = frozenset()
    asking_sockets: frozenset[str] = frozenset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does, or refuse with 401 or 403 (websockets: close code 1008)."""
        refused = self.refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refused is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refused[1]})
        else:
            await _answer(send, *refused)

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return the status and the sentence with which a request is refused; None if it is passed on."""
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if len(hosts) != 1 or f"http://{hosts[0]}" not in self.origins:
            return 403, "The Host header is not an address of this server: use the one that it printed when it started."
        if not set(origins) <= set(self.origins):
            return 403, "Requests from pages of other origins are refused."
        if self._is_open(scope) or self._knows(_values(scope, b"authorization")):
            return None
        return 401, "Unauthorized"

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        if scope["type"] == "websocket":
            return path in self.asking_sockets
        if scope["method"] == "OPTIONS":  # a browser's preflight request, which changes nothing
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
