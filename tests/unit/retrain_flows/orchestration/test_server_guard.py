"""Who gets through to a server on this machine: tried on the guard itself, for any request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrain_flows.orchestration import server_settings
from retrain_flows.orchestration.server_guard import Guard

SECRET = server_settings.basic("leeway:secret")
OPEN = frozenset({"/api/health", "/api/ready"})
ASKING = frozenset({"/api/events/out"})
OWN_HOSTS = ("127.0.0.1:4200", "localhost:4200", "[::1]:4200")


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "reached"})


GUARD = Guard(_app, server_settings.origins(4200), SECRET, OPEN, ASKING)


def reached(kind: str = "http", path: str = "/api/flows/filter", method: str = "POST", **headers: str) -> bool:
    """Return whether a request reaches the app; a refusal must be one in the protocol's words."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        """Keep what is sent."""
        sent.append(message)

    async def receive() -> Any:
        """Return what a socket begins with."""
        return {"type": "websocket.connect"}

    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": kind, "path": path, "method": method, "headers": pairs}
    asyncio.run(GUARD(scope, receive, send))
    if sent == [{"type": "reached"}]:
        return True
    assert sent[0].get("status") in (401, 403) if kind == "http" else sent[0]["type"] == "websocket.close"
    return False


@pytest.mark.parametrize("host", OWN_HOSTS)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_client_with_the_secret_gets_through(host: str, kind: str) -> None:
    """By each name of this machine's own, from no page or from the server's own."""
    assert reached(kind, host=host, authorization=SECRET)
    assert reached(kind, host=host, authorization=SECRET, origin=f"http://{host}")


@given(host=st.text(st.characters(codec="latin-1")), secret=st.booleans())
def test_by_another_name_nobody_gets_through(host: str, secret: bool) -> None:
    """A name that was made to point here (DNS rebinding) does not open it, whatever else is right."""
    more = {"authorization": SECRET} if secret else {}
    assert (host in OWN_HOSTS and secret) == reached(host=host, **more)
    assert not reached(**more)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:4201", "localhost", "localhost:4200.evil", "evil:4200", "127.0.0.1:4200:4200",
             "0.0.0.0:4200", "[::1]", "[:evil", "127.0.0.1:4200, evil", " 127.0.0.1:4200"],
)  # fmt: skip
def test_names_that_are_nearly_its_own_are_not(host: str) -> None:
    """The whole of it counts, port included."""
    assert not reached(host=host, authorization=SECRET)


@pytest.mark.parametrize(
    "origin", ["null", "", "http://evil.example", "https://127.0.0.1:4200", "http://127.0.0.1:8321", "http://localhost",
               "http://127.0.0.1:4200.evil.example", "file://"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("path", ["/api/flows/filter", "/api/events/in", "/api/events/out", "/api/health", "/"])
def test_another_page_does_not_get_through(kind: str, path: str, origin: str) -> None:
    """Even with the secret, to an open path, or to a socket."""
    assert not reached(kind, path, host=OWN_HOSTS[0], origin=origin, authorization=SECRET)


@given(shown=st.text(st.characters(codec="latin-1")))
def test_without_the_secret_nobody_gets_through(shown: str) -> None:
    """Whatever is shown in its place."""
    assert (shown == SECRET) == reached(host=OWN_HOSTS[0], authorization=shown)


@pytest.mark.parametrize(
    ("method", "path", "opened"),
    [("GET", "/api/health", True), ("HEAD", "/api/ready", True), ("POST", "/api/health", False),
     ("GET", "/api/flows/name/health", False), ("GET", "/api/variables/name/ready", False), ("GET", "/api", False),
     ("GET", "/api/", False), ("GET", "/api/health/", False), ("GET", "/", True), ("GET", "/assets/index.js", True),
     ("OPTIONS", "/api/flows/filter", True)],
)  # fmt: skip
def test_health_and_the_pages_themselves_need_no_secret(method: str, path: str, opened: bool) -> None:
    """A path that merely ends like one of health does."""
    assert opened is reached("http", path, method, host=OWN_HOSTS[0])


@pytest.mark.parametrize(
    ("path", "opened"), [("/api/events/out", True), ("/api/events/in", False), ("/api/other", False), ("/x", False)]
)
def test_sockets_need_the_secret_unless_they_ask_for_it_themselves(path: str, opened: bool) -> None:
    """Prefect takes events of anybody's by itself."""
    assert opened is reached("websocket", path, host=OWN_HOSTS[0])
    assert reached("websocket", path, host=OWN_HOSTS[0], authorization=SECRET)
