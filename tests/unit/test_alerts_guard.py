"""An alert goes to the public internet over TLS, or to this machine; nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from alerts import guard
from alerts.policy import Endpoint
from features import errors


def _endpoint(url: str) -> Endpoint:
    return Endpoint(name="ops", url=url, secret_env="KEY")


def _resolver(*addresses: str) -> guard.Resolve:
    def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    """The name is kept for TLS and the Host header; the URL holds the address, so no second look-up can differ."""
    found = guard.targets(
        _endpoint("https://hooks.example.com:8443/a?b=1"), resolve=_resolver("8.8.8.8", "2606:4700::1")
    )

    host, name = "hooks.example.com:8443", "hooks.example.com"
    first = guard.Target("https://8.8.8.8:8443/a?b=1", host, name)
    assert (first, guard.Target("https://[2606:4700::1]:8443/a?b=1", host, name)) == found


def test_only_so_many_addresses_are_tried() -> None:
    """A name with a hundred addresses does not take a hundred time-outs; all of them are judged."""
    many = [f"8.8.8.{i}" for i in range(100)]

    assert 3 == len(guard.targets(_endpoint("https://many.example/"), resolve=_resolver(*many)))
    with pytest.raises(errors.DeliveryError):
        guard.targets(_endpoint("https://many.example/"), resolve=_resolver(*many, "10.0.0.1"))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_plain_http_is_for_loopback(address: str) -> None:
    """A receiver on this machine needs no TLS."""
    assert ["relay:9"] == [t.host for t in guard.targets(_endpoint("http://relay:9/"), resolve=_resolver(address))]


@pytest.mark.parametrize("port", [80, 443])
def test_the_look_up_is_asked_for_the_port_of_the_scheme(port: int) -> None:
    """A URL without a port means its scheme's own."""
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    guard.targets(_endpoint({80: "http", 443: "https"}[port] + "://bücher.example/"), resolve=resolve)

    assert [("xn--bcher-kva.example", port)] == asked


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "198.18.0.1",
        "::", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::",
    ],
)  # fmt: skip
def test_an_address_inside_is_refused(address: str) -> None:
    """Private, shared, link-local (cloud metadata), multicast and unspecified addresses, in any IPv6 clothes."""
    with pytest.raises(errors.DeliveryError, match=r"endpoint 'ops' is refused: 'inside\.example' is .* not public"):
        guard.targets(_endpoint("https://inside.example/"), resolve=_resolver(address))


def test_one_bad_address_among_many_refuses() -> None:
    """A name that answers with a public and a private address is not trusted to be called by the public one."""
    with pytest.raises(errors.DeliveryError, match=r"10\.0\.0\.1"):
        guard.targets(_endpoint("https://both.example/"), resolve=_resolver("93.184.216.34", "10.0.0.1"))


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
        guard.targets(_endpoint(url), resolve=_resolver("93.184.216.34"))

    assert caught.value.hint


def test_a_name_that_nobody_knows_is_an_error_with_its_name() -> None:
    """A failed look-up is a delivery error, not a traceback."""

    def resolve(host: str, port: int) -> Sequence[str]:
        msg = "Name or service not known"
        raise OSError(msg)

    with pytest.raises(errors.DeliveryError, match=r"cannot look up 'nowhere\.example'"):
        guard.targets(_endpoint("https://nowhere.example/"), resolve=resolve)
