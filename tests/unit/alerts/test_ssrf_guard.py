"""SSRF guard: alerts go to the public internet over TLS, or to this machine; nowhere else."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import ssrf_guard
from alerts.config import Endpoint
from features import errors


def _endpoint(url: str) -> Endpoint:
    return Endpoint(name="ops", url=url, secret_env="KEY")


def _resolver(*addresses: str) -> ssrf_guard.Resolve:
    def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    """The name is kept for TLS and the Host header; the URL holds the address, so no second look-up can differ."""
    found = ssrf_guard.targets(
        _endpoint("https://hooks.example.com:8443/a?b=1"), resolve=_resolver("8.8.8.8", "2606:4700::1")
    )

    host, name = "hooks.example.com:8443", "hooks.example.com"
    first = ssrf_guard.Target("https://8.8.8.8:8443/a?b=1", host, name)
    assert (first, ssrf_guard.Target("https://[2606:4700::1]:8443/a?b=1", host, name)) == found


def test_only_so_many_addresses_are_tried() -> None:
    """A name with a hundred addresses does not take a hundred time-outs; all of them are judged."""
    many = [f"8.8.8.{i}" for i in range(100)]

    assert 3 == len(ssrf_guard.targets(_endpoint("https://many.example/"), resolve=_resolver(*many)))
    with pytest.raises(errors.DeliveryError):
        ssrf_guard.targets(_endpoint("https://many.example/"), resolve=_resolver(*many, "10.0.0.1"))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_plain_http_is_for_loopback(address: str) -> None:
    """A receiver on this machine needs no TLS."""
    assert ["relay:9"] == [t.host for t in ssrf_guard.targets(_endpoint("http://relay:9/"), resolve=_resolver(address))]


@pytest.mark.parametrize("port", [80, 443])
def test_the_look_up_is_asked_for_the_port_of_the_scheme(port: int) -> None:
    """A URL without a port means its scheme's own."""
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    ssrf_guard.targets(_endpoint({80: "http", 443: "https"}[port] + "://bücher.example/"), resolve=resolve)

    assert [("xn--bcher-kva.example", port)] == asked


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.127.255.255", "169.254.169.254", "0.0.0.0",
        "0.1.2.3", "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1",
        "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::2", "::10.0.0.1", "::8.8.8.8", "::127.0.0.1",
        "::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "2002:a00::", "::ffff:0.0.0.0", "64:ff9b::", "64:ff9b::10.0.0.1",
        "64:ff9b::127.0.0.1", "64:ff9b:1::a00:1", "::ffff:0:8.8.8.8", "64:ff9b:1::808:808", "100::1", "2001::1",
        "2001:0:808:808::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:a00:1::", "2002:7f00:1::1",
        "2002:e000:1::", "3fff::1", "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:10.0.0.1", "4000::1", "5f00::1",
        "fc00::1", "fd00::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
    ],
)  # fmt: skip
def test_an_address_inside_is_refused(address: str) -> None:
    """Private, shared, link-local (cloud metadata), multicast and unspecified addresses, in any IPv6 clothes."""
    with pytest.raises(errors.DeliveryError, match=r"endpoint 'ops' is refused: 'inside\.example' is .* not public"):
        ssrf_guard.targets(_endpoint("https://inside.example/"), resolve=_resolver(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "193.0.0.1", "223.255.255.254", "2606:4700::1", "2a00:1450::1", "::ffff:8.8.8.8",
     "64:ff9b::8.8.8.8", "2002:808:808::1", "2606:4700::5efe:8.8.8.8"],
)  # fmt: skip
def test_a_public_address_is_connected_to(address: str) -> None:
    """The rule does not refuse the internet."""
    (target,) = ssrf_guard.targets(_endpoint("https://hooks.example/"), resolve=_resolver(address))

    assert httpx.URL(target.url).host == str(ipaddress.ip_address(address))


@given(number=st.integers(0, 2**128 - 1) | st.integers(0, 2**32 - 1).flatmap(lambda v4: st.sampled_from(clothes(v4))))
def test_nothing_is_public_that_another_authority_calls_otherwise(number: int) -> None:
    """Python's own tables, which differ by release, know no address as private that this rule lets pass."""
    address = ipaddress.IPv6Address(number)
    if not ssrf_guard.is_public(address):
        return
    plain = (
        address.ipv4_mapped
        or address.sixtofour
        or (ipaddress.IPv4Address(number % 2**32) if number >> 32 == NAT64 else address)
    )

    assert plain.is_global
    assert not any((plain.is_multicast, plain.is_loopback, plain.is_link_local, plain.is_unspecified))


@given(v4=st.ip_addresses(v=4), place=st.integers(0, 6))
def test_an_ipv4_address_is_judged_alike_in_all_its_clothes(v4: ipaddress.IPv4Address, place: int) -> None:
    """Mapped, translated or tunnelled: what is private stays private."""
    dressed = ipaddress.IPv6Address(clothes(int(v4))[place])

    assert ssrf_guard.is_public(v4) or not ssrf_guard.is_public(dressed)
    assert not ssrf_guard.is_public(v4) or not (v4.is_private or v4.is_multicast or v4.is_reserved)


@given(address=st.ip_addresses())
def test_nothing_is_both_public_and_this_machine(address: ssrf_guard.Address) -> None:
    """Plain http is for loopback alone, and loopback is never reached under a public name's rule."""
    assert not (ssrf_guard.is_public(address) and ssrf_guard.is_loopback(address))


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0x7f.1", "127.1", "017700000001"])
def test_another_spelling_of_this_machine_is_this_machine(host: str) -> None:
    """The system's resolver reads it, and what it has read is judged and connected to."""
    (target, *_) = ssrf_guard.targets(_endpoint(f"http://{host}:9/"))

    assert ssrf_guard.is_loopback(ipaddress.ip_address(httpx.URL(target.url).host))


@pytest.mark.parametrize(
    "host", ["167772161", "0xa000001", "0x0a.0x0.0x0.0x1", "012.0.0.1", "10.1", "[::ffff:a00:1]", "[fe80::1%25lo]"]
)
def test_another_spelling_of_a_private_address_is_private(host: str) -> None:
    """Decimal, octal, hexadecimal and short forms, and addresses with a zone."""
    with pytest.raises(errors.DeliveryError, match=r"not public|cannot be read|cannot look up"):
        ssrf_guard.targets(_endpoint(f"https://{host}/"))


@pytest.mark.parametrize(
    "url",
    [
        "https://" + "a" * 64 + ".example/",
        "https://a..example/",
        "https://example.com:99999/",
        "https://\x00/",
        "https://xn--/",
        "https://[::1/",
    ],
)
def test_a_name_that_no_resolver_takes_is_an_error_in_words(url: str) -> None:
    """Labels too long, ports too large: refused, whatever the resolver raises."""
    with pytest.raises(errors.DeliveryError, match="endpoint 'ops'"):
        ssrf_guard.targets(_endpoint(url), resolve=strict)


def strict(host: str, port: int) -> Sequence[str]:
    """Refuse as the system's resolver does, without the network."""
    host.encode("idna")
    if port > 65535:
        raise OverflowError("port must be 0-65535")
    raise OSError("no such name")


def test_garbage_from_the_resolver_is_an_error_in_words() -> None:
    """What is no address is connected to by nobody."""
    with pytest.raises(errors.DeliveryError, match="cannot look up"):
        ssrf_guard.targets(_endpoint("https://a.example/"), resolve=_resolver("8.8.8.8", "8.8.8.8.8"))


NAT64 = int(ipaddress.IPv6Address("64:ff9b::")) >> 32


def clothes(v4: int) -> list[int]:
    """Return the IPv6 addresses that some mechanism takes for an IPv4 one."""
    prefixes = ("::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::", "2606:4700::5efe:0:0")
    return [*(int(ipaddress.IPv6Address(p)) | v4 for p in prefixes), 0x2002 << 112 | v4 << 80]


def test_one_bad_address_among_many_refuses() -> None:
    """A name that answers with a public and a private address is not trusted to be called by the public one."""
    with pytest.raises(errors.DeliveryError, match=r"10\.0\.0\.1"):
        ssrf_guard.targets(_endpoint("https://both.example/"), resolve=_resolver("93.184.216.34", "10.0.0.1"))


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://example.com/", "plain http"),
        ("https://user:word@example.com/", "user name or password"),
        ("https://user@example.com/", "user name or password"),
        ("https:///path", "names no host"),
        ("https://example.com:port/", "cannot be read"),
    ],
)
def test_a_bad_url_is_refused_in_words(url: str, what: str) -> None:
    """The message names the endpoint and the fault, the hint the remedy."""
    with pytest.raises(errors.DeliveryError, match=f"endpoint 'ops' is refused: .*{what}") as caught:
        ssrf_guard.targets(_endpoint(url), resolve=_resolver("93.184.216.34"))

    assert caught.value.hint


def test_a_name_that_nobody_knows_is_an_error_with_its_name() -> None:
    """A failed look-up is a delivery error, not a traceback."""

    def resolve(host: str, port: int) -> Sequence[str]:
        msg = "Name or service not known"
        raise OSError(msg)

    with pytest.raises(errors.DeliveryError, match=r"cannot look up 'nowhere\.example'"):
        ssrf_guard.targets(_endpoint("https://nowhere.example/"), resolve=resolve)
