"""Requests to this machine pass by every proxy; requests to others do not."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import httpx
import pytest

from features.security import local_http
from leeway.stack import ports
from tests.support.listening_server import Listening, listening, named_as_proxy


@pytest.fixture
def proxy() -> Iterator[Listening]:
    """Yield a proxy that the environment names for everything."""
    with named_as_proxy() as made:
        yield made


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_of_this_machine_is_asked_directly(host: str, proxy: Listening) -> None:
    """Also where there is none: the proxy is not asked in its place."""
    secret = {"Authorization": "Basic secret"}
    with listening() as server:
        request = urllib.request.Request(server.url.replace("127.0.0.1", host), headers=secret)
        with local_http.opened(request, timeout=10) as answer:
            assert 200 == answer.status
        assert ["Basic secret"] == [asked.get("Authorization") for asked in server.requests]
    with pytest.raises(urllib.error.URLError, match="refused"):
        local_http.opened(f"http://{host}:{ports.free()}/", timeout=10)
    assert [] == proxy.requests


def test_a_server_elsewhere_is_asked_as_the_environment_says(proxy: Listening) -> None:
    """It may be reached through a proxy only."""
    with local_http.opened("http://elsewhere.invalid/", timeout=10) as answer:
        assert 200 == answer.status
    assert 1 == len(proxy.requests)


@pytest.mark.parametrize("known", [{}, {"NO_PROXY": "example.org"}, {"no_proxy": "example.org"}, {"no_proxy": "*"}])
@pytest.mark.parametrize("host", local_http.NAMES)
def test_other_clients_are_told_by_variables(
    known: dict[str, str], host: str, proxy: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As httpx, which Prefect's client is made of."""
    for name, value in local_http.no_proxy(known).items():
        monkeypatch.setenv(name, value)
    at = f"[{host}]" if ":" in host else host
    with httpx.Client() as client, pytest.raises(httpx.ConnectError):
        client.get(f"http://{at}:{ports.free()}/")
    assert [] == proxy.requests
