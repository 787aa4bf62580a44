"""Guard against server-side request forgery: alerts are only sent to public addresses and to this machine.

Allowed are public unicast addresses, as IANA's registries of special-purpose addresses leave them, and loopback. An
IPv6 address that embeds an IPv4 one is judged by that.

The name is looked up once, every address is checked, and the connection is made to the checked address, so that a
second look-up cannot answer differently (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from alerts.config import Endpoint
from features import errors

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

TRIES: Final = 3
"""Addresses of one name that are tried in turn while none of them answers."""
_V4: Final = ipaddress.IPv4Network
_V6: Final = ipaddress.IPv6Network
LOOPBACK: Final = (_V4("127.0.0.0/8"), _V6("::1/128"), _V6("::ffff:127.0.0.0/104"))
"""Addresses that the kernel delivers to this machine without a translator."""
UNICAST: Final = _V6("2000::/3")
"""All public IPv6 unicast; local, translated and multicast addresses lie outside."""
RESERVED: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
            "203.0.113.0/24", "224.0.0.0/3", "2001::/23", "2001:db8::/32", "3fff::/20",
        ),
    )
)  # fmt: skip
"""Special-purpose networks within unicast: this network, private, shared, link-local, protocol assignments (Teredo
among them), documentation, benchmarks, anycast relays, multicast, and reserved ones."""
MAPPED: Final = _V6("::ffff:0:0/96")
NAT64: Final = _V6("64:ff9b::/96")
SIX_TO_FOUR: Final = _V6("2002::/16")
ISATAP: Final = (0x00005EFE, 0x02005EFE)
"""The middle of an interface's identifier that ends in an IPv4 address (RFC 5214)."""


@dataclass(frozen=True)
class Target:
    """Where an attempt connects: *url* has the checked address, *host* and *name* what the receiver expects.

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
    """Return where to connect for *endpoint*, best first. Raises DeliveryError where an alert must not be sent.

    Refused: a user name or password in the URL; any address that is neither public nor loopback; plain ``http`` to any
    but loopback. One refused address among many refuses all; of allowed ones, the first `TRIES` are returned.
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
    """Return an endpoint's URL; one that cannot be read, has no host or holds a user name is refused."""
    try:
        url = httpx.URL(endpoint.url)
        host = url.host  # where httpx decodes a name that it has let pass
    except (httpx.InvalidURL, ValueError) as error:
        raise _refused(
            endpoint, f"its URL cannot be read ({error})", "write it like https://example.com/hook"
        ) from error
    if not host:
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
        # A zone names a link of this machine; the address is checked without it, and is not public anyway.
        return [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
    except (OSError, ValueError, OverflowError) as error:  # names and ports that no resolver takes raise the latter
        msg = f"alert endpoint {endpoint.name!r}: cannot look up {url.host!r}: {error}"
        raise errors.DeliveryError(msg, hint="check the host in its url, and this machine's DNS") from error


def _judge(endpoint: Endpoint, url: httpx.URL, address: Address) -> None:
    if is_loopback(address):
        return
    if url.scheme != "https":
        raise _refused(endpoint, f"plain http to {url.host!r} could be read and altered on its way", "use https")
    if not is_public(address):
        what = f"{url.host!r} is {address}, an address that is not public"
        raise _refused(endpoint, what, "use the receiver's public name, or a relay on this machine's loopback")


def is_loopback(address: Address) -> bool:
    """Return whether a connection to *address* stays on this machine.

    >>> [is_loopback(ipaddress.ip_address(a)) for a in ("127.8.8.8", "::ffff:127.0.0.1", "::127.0.0.1", "0.0.0.0")]
    [True, True, False, False]
    """
    return any(address in network for network in LOOPBACK)


def is_public(address: Address) -> bool:
    """Return whether *address* is public, and so is every IPv4 address that it embeds.

    >>> [is_public(ipaddress.ip_address(a)) for a in ("8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b::10.0.0.1", "fec0::1")]
    [True, True, False, False]
    """
    embedded = _embedded(address)
    if isinstance(address, ipaddress.IPv6Address) and address not in UNICAST:
        # Outside public unicast only these two, which embed IPv4 addresses, can be public.
        return (address in MAPPED or address in NAT64) and all(map(is_public, embedded))
    return not any(address in network for network in RESERVED) and all(map(is_public, embedded))


def _embedded(address: Address) -> list[ipaddress.IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address embeds (RFC 4291, 3056, 6052, 5214).

    >>> _embedded(ipaddress.ip_address("2002:a00:1::5efe:192.168.0.1"))
    [IPv4Address('10.0.0.1'), IPv4Address('192.168.0.1')]
    """
    if isinstance(address, ipaddress.IPv4Address):
        return []
    bits, numbers = int(address), []
    if address in SIX_TO_FOUR:
        numbers.append(bits >> 80)
    if address in MAPPED or address in NAT64 or (bits >> 32) & 0xFFFFFFFF in ISATAP:
        numbers.append(bits)
    return [ipaddress.IPv4Address(number & 0xFFFFFFFF) for number in numbers]


def _refused(endpoint: Endpoint, what: str, hint: str) -> errors.DeliveryError:
    return errors.DeliveryError(f"alert endpoint {endpoint.name!r} is refused: {what}", hint=hint)
