"""Where an alert may go: a URL in a project file must not turn Leeway into a way round somebody's firewall.

The name is looked up once, every address is judged, and the connection is made to the very address that was judged, so
that a second look-up cannot answer differently (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from alerts.policy import Endpoint
from features import errors

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

TRIES: Final = 3
"""Addresses of one name that are tried in turn while none of them answers."""
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class Target:
    """Where an attempt connects: *url* holds the judged address, *host* and *name* what the receiver expects.

    *host* is the Host header; *name* is the name that TLS asks for and checks the certificate against.
    """

    url: str
    host: str
    name: str


def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of *host*, best first, as the system's resolver gives them; OSError if there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def targets(endpoint: Endpoint, *, resolve: Resolve = look_up) -> tuple[Target, ...]:
    """Return where to connect for *endpoint*, best first, or raise DeliveryError where an alert must not go.

    Refused: a user name or password in the URL; any address that is neither public nor loopback; plain ``http`` to any
    but loopback. One bad address among many refuses them all; of the good ones, the first TRIES are returned.
    """
    url = _parse(endpoint)
    addresses = _addresses(endpoint, url, resolve)
    for address in addresses:
        _judge(endpoint, url, address)
    return tuple(_target(url, address) for address in addresses[:TRIES])


def _target(url: httpx.URL, address: Address) -> Target:
    return Target(
        url=str(url.copy_with(host=str(address))),
        host=url.netloc.decode("ascii"),
        name=url.raw_host.decode("ascii"),
    )


def _parse(endpoint: Endpoint) -> httpx.URL:
    try:
        url = httpx.URL(endpoint.url)
    except httpx.InvalidURL as error:
        raise _refused(
            endpoint, f"its URL cannot be read ({error})", "write it like https://example.com/hook"
        ) from error
    if not url.host:
        raise _refused(endpoint, "its URL names no host", "write it like https://example.com/hook")
    if url.userinfo:
        raise _refused(
            endpoint, "its URL holds a user name or password", "take it out; the signature proves the sender"
        )
    return url


def _addresses(endpoint: Endpoint, url: httpx.URL, resolve: Resolve) -> list[Address]:
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        texts = resolve(url.raw_host.decode("ascii"), port)
    except OSError as error:
        msg = f"alert endpoint {endpoint.name!r}: cannot look up {url.host!r}: {error}"
        raise errors.DeliveryError(msg, hint="check the host in its url, and this machine's DNS") from error
    return [ipaddress.ip_address(text.partition("%")[0]) for text in texts]


def _judge(endpoint: Endpoint, url: httpx.URL, address: Address) -> None:
    real = _unwrap(address)
    if real.is_loopback:
        return
    if url.scheme != "https":
        raise _refused(endpoint, f"plain http to {url.host!r} could be read and altered on its way", "use https")
    if not real.is_global or real.is_multicast:
        what = f"{url.host!r} is {address}, an address that is not public"
        raise _refused(endpoint, what, "use the receiver's public name, or a relay on this machine's loopback")


def _unwrap(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for (mapped, 6to4 or NAT64), or *address* itself.

    >>> _unwrap(ipaddress.ip_address("64:ff9b::a00:1"))
    IPv4Address('10.0.0.1')
    """
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _refused(endpoint: Endpoint, what: str, hint: str) -> errors.DeliveryError:
    return errors.DeliveryError(f"alert endpoint {endpoint.name!r} is refused: {what}", hint=hint)
