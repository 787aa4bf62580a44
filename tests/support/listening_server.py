"""A server that answers anything with 200 and remembers what it was sent: a proxy, or whoever has taken a port."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Listening:
    """Its address, and the headers of each request."""

    url: str
    requests: list[Mapping[str, str]] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Listening]:
    """Yield a server on a free port of loopback."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.requests.append(dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        made = Listening(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def named_as_proxy() -> Iterator[Listening]:
    """Yield a server that the environment names as the proxy of everything."""
    with listening() as made, pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            patch.setenv(name, made.url)
        for name in ("no_proxy", "NO_PROXY"):
            patch.delenv(name, raising=False)
        yield made
