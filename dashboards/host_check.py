"""Whom the pages answer as: a request under another name, or on behalf of a page elsewhere, is refused before all else.

A page elsewhere can send a browser to any address. It can point a name of its own at this machine (DNS rebinding),
which the Host header shows, and it can fetch or embed what is here, which Origin and Sec-Fetch-Site show.
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
"""What browsers call the pages of other hosts and of other ports."""


@dataclass(frozen=True)
class Hosts:
    """The names that the pages answer to, in lower case; this machine's loopback is always one of them.

    With *addresses*, whatever is an IP address is: no page elsewhere can have its name be one. ``*`` is any name.
    """

    names: frozenset[str] = frozenset()
    addresses: bool = False

    def know(self, header: str) -> bool:
        """Return whether a Host header is a well-formed one of them, with a port or without.

        >>> [Hosts().know(h) for h in ("LOCALHOST:8321", "[::1]", "127.0.0.1:80", "evil.example", "[:evil", "")]
        [True, True, True, False, False, False]
        """
        found = _HOST.fullmatch(header.lower())
        if found is None or int(found["port"] or 0) > 65535:
            return False
        name = found["name"]
        address = _address(name)
        if address is None:
            return not name.startswith("[") and (name == "localhost" or name in self.names or "*" in self.names)
        return address.is_loopback or self.addresses or "*" in self.names or str(address) in self.names


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a host is, if it is one: IPv6 in brackets only."""
    try:
        return ipaddress.IPv6Address(name[1:-1]) if name.startswith("[") else ipaddress.IPv4Address(name)
    except ValueError:
        return None


class OwnPages:
    """Lets through what asks for *hosts* by name, from the address bar or from these pages themselves."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self.app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in words what is refused; anything else is the app's."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._hosts.know(hosts[0]):
            said = "These pages do not answer to this host name; `leeway dashboard --name` adds one.\n"
            await PlainTextResponse(said, 400)(scope, receive, send)
        elif foreign(headers):
            await PlainTextResponse("These pages are not for pages elsewhere.\n", 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def foreign(headers: Headers) -> bool:
    """Return whether a page elsewhere asks; following a link from there is the user's own doing.

    Origin is compared without its scheme, which a proxy that ends TLS changes.

    >>> foreign(Headers({"host": "a:1", "origin": "http://b"})), foreign(Headers({"host": "a:1", "origin": "http://a:1"}))
    (True, False)
    """
    origin = headers.get("origin")
    if origin is not None and origin.lower().partition("://")[2] != headers.get("host", "").lower():
        return True
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return headers.get("sec-fetch-site") in _FOREIGN and not followed
