"""Webhook receiver of the demo: accepts alerts whose signature is valid."""

from __future__ import annotations

import base64
import json
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from standardwebhooks import Webhook, WebhookVerificationError


def new_key() -> str:
    """Return a key that both sides share."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


@contextmanager
def receiving(port: int, key: str) -> Iterator[Counter[str]]:
    """Serve on loopback until the block ends; the counter tells how many alerts of each type were verified."""
    seen: Counter[str] = Counter()
    hook = Webhook(key)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Verify the signature, count, and answer 204; or answer 401."""
            body = self.rfile.read(int(self.headers["content-length"]))
            try:
                hook.verify(body, dict(self.headers))
            except WebhookVerificationError:
                self.send_response(401)
            else:
                seen[json.loads(body)["type"]] += 1
                self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing: the demo tells in the end what was received."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
