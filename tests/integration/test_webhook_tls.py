"""Webhooks over TLS: the certificate is checked by host name, though the connection is to the checked address."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts import delivery, retry, ssrf_guard
from alerts.config import Endpoint
from tests.support import certificates

pytestmark = pytest.mark.slow

NAME = "hooks.example.com"


class Handler(http.server.BaseHTTPRequestHandler):
    """Takes whatever is posted."""

    hosts: list[str]

    def do_POST(self) -> None:
        """Take the message and remember which host was asked for."""
        self.rfile.read(int(self.headers["content-length"]))
        self.hosts.append(self.headers["host"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, list[str]]]:
    """A TLS server on loopback that shows a certificate for NAME, which this process trusts: its port and its hosts."""
    pem = certificates.write(tmp_path / "receiver.pem", NAME)
    monkeypatch.setattr("certifi.where", lambda: str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    hosts: list[str] = []
    handler = type("Seen", (Handler,), {"hosts": hosts})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port, hosts
    server.shutdown()
    server.server_close()
    thread.join()


def send(name: str, port: int) -> retry.Reply:
    """Send something to *name*, whose only address is loopback."""
    endpoint = Endpoint(name="ops", url=f"https://{name}:{port}/hook", secret_env="KEY")
    (target,) = ssrf_guard.targets(endpoint, resolve=lambda *_: ["127.0.0.1"])
    return delivery.post(target, "{}", {}, 5)


def test_the_certificate_is_checked_against_the_name(receiver: tuple[int, list[str]]) -> None:
    """The name is what TLS asks for and what the Host header says, not the address."""
    port, hosts = receiver

    assert 204 == send(NAME, port).status
    assert [f"{NAME}:{port}"] == hosts


def test_a_certificate_of_another_name_is_refused(receiver: tuple[int, list[str]]) -> None:
    """Whoever answers at the address must be who was meant; nothing is sent to anybody else."""
    port, hosts = receiver
    reply = send("other.example.com", port)

    assert None is reply.status
    assert "certificate verify failed" in reply.error
    assert [] == hosts
