"""Requests to servers on this machine go to them directly: a proxy would be sent the secrets that they ask for.

Python's HTTP clients take the proxies of the environment (``http_proxy``) also for 127.0.0.1. A server elsewhere may be
reached through a proxy only, so that requests to it still go as the environment says.
"""

from __future__ import annotations

import ipaddress
import ssl
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlsplit

NAMES = ("127.0.0.1", "localhost", "::1")
"""The names of this machine by which servers are addressed."""


def is_local(host: str | None) -> bool:
    """Return whether a host, as it is in a URL, is this machine by any of its loopback addresses.

    >>> is_local("127.0.0.1"), is_local("::1"), is_local("localhost"), is_local("flink"), is_local(None)
    (True, True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return host is not None and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_local_url(url: str) -> bool:
    """Return whether a URL is of this machine.

    >>> is_local_url("https://127.0.0.1:8081/overview"), is_local_url("http://[::1]/"), is_local_url("http://127.0.0.1.a/")
    (True, True, False)
    """
    try:
        return is_local(urlsplit(url).hostname)
    except ValueError:
        return False


def opened(to: urllib.request.Request | str, *, timeout: float, tls: ssl.SSLContext | None = None) -> HTTPResponse:
    """Return the answer to a request, which is to be closed: without a proxy where the server is on this machine.

    Raises
    ------
    ValueError
        It is no URL.
    OSError
        The server does not answer; an ``urllib.error.HTTPError`` where it refuses.
    """
    request = urllib.request.Request(to) if isinstance(to, str) else to
    handlers: list[urllib.request.BaseHandler] = []
    if is_local_url(request.full_url):
        handlers.append(urllib.request.ProxyHandler({}))
    if tls is not None:
        handlers.append(urllib.request.HTTPSHandler(context=tls))
    answer: HTTPResponse = urllib.request.build_opener(*handlers).open(request, timeout=timeout)
    return answer


def answers(url: str, *, timeout: float) -> bool:
    """Return whether a server answers a request for *url* with success, as one that is healthy does."""
    try:
        with opened(url, timeout=timeout):
            return True
    except (OSError, ValueError, HTTPException):
        return False


def no_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which other clients, as Prefect's, reach this machine without a proxy.

    >>> no_proxy({"no_proxy": "example.org,localhost"})["no_proxy"]
    'example.org,localhost,127.0.0.1,::1'
    >>> no_proxy({"NO_PROXY": "*"})
    {'no_proxy': '*', 'NO_PROXY': '*'}
    """
    text = environment.get("no_proxy") or environment.get("NO_PROXY") or ""  # in the order in which clients look
    known = [name.strip() for name in text.split(",") if name.strip()]
    # A star stands for all hosts only where it is alone.
    wanted = "*" if known == ["*"] else ",".join([*known, *(name for name in NAMES if name not in known)])
    return {"no_proxy": wanted, "NO_PROXY": wanted}
