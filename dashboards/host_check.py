"""Host and origin check: requests under a foreign host name or from another site are refused before anything else.

A page on another site can send a browser to any address. It can point its own name at this machine (DNS rebinding),
which the Host header shows, and it can fetch or embed these pages, which Origin and Sec-Fetch-Site show.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_HOST: Final = re.compile(r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:(?P<port>[0-9]{1,5}))?", re.ASCII)
_FOREIGN: Final = ("cross-site", "same-site")
"""Values of Sec-Fetch-Site for requests that pages of other hosts or other ports make."""


@dataclass(frozen=True)
class Hosts:
    """The host names that requests may use, in lower case; loopback names are always allowed.

    With *addresses*, every IP address is allowed too: no other site can have an address as its name. ``*`` allows any
    name.
    """

    names: frozenset[str] = frozenset()
    addresses: bool = False

    def know(self, header: str) -> bool:
        """Return whether a Host header is well formed and names an allowed host, with or without a port.

        >>> [Hosts().know(h) for h in ("LOCALHOST:8321", "[::1]", "127.0.0.1:80", "evil.example", "[:evil", "")]
        [True, True, True, False, False, False]
        """
        match = _HOST.fullmatch(header.lower())
        if match is None or int(match["port"] or 0) > 65535:
            return False
        name = match["name"]
        address = _address(name)
        if address is None:
            return not name.startswith("[") and (name == "localhost" or name in self.names or "*" in self.names)
        return address.is_loopback or self.addresses or "*" in self.names or str(address) in self.names


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return a host as an IP address, None if it is a name; IPv6 must be in brackets."""
    try:
        return ipaddress.IPv6Address(name[1:-1]) if name.startswith("[") else ipaddress.IPv4Address(name)
    except ValueError:
        return None


class OwnPages:
    """ASGI middleware that lets through requests to the allowed *hosts* from the address bar or from these pages.

    *command* is the one whose ``--name`` allows another host, for the refusal.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts, command: str = "leeway dashboard") -> None:
        self.app = app
        self._hosts = hosts
        self._refusal = f"This host name is not allowed; `{command} --name HOST` allows it.\n"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400 for a foreign host name and 403 for a request of another site; pass everything else on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._hosts.know(hosts[0]):
            await PlainTextResponse(self._refusal, 400)(scope, receive, send)
        elif foreign(headers):
            await PlainTextResponse("Requests from other sites are not allowed.\n", 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def foreign(headers: Headers) -> bool:
    """Return whether another site makes the request; a link that the user follows from there is allowed.

    Origin is compared without its scheme, which a proxy that terminates TLS changes.

    >>> foreign(Headers({"host": "a:1", "origin": "http://b"})), foreign(Headers({"host": "a:1", "origin": "http://a:1"}))
    (True, False)
    """
    origin = headers.get("origin")
    if origin is not None and origin.lower().partition("://")[2] != headers.get("host", "").lower():
        return True
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return headers.get("sec-fetch-site") in _FOREIGN and not followed
