"""Webhooks to a real HTTP receiver: signed, delivered once, and retried as specified."""

from __future__ import annotations

import base64
import functools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from alerts import ssrf_guard
from alerts.config import Alerts
from alerts.delivery import Delivered, deliver
from registry import operations, outbox
from registry.connection import Registry
from registry.records import Action

pytestmark = pytest.mark.slow

NOW = datetime.now(timezone.utc)
KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ENVIRON = {"OPS_KEY": KEY}


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let NOW be now: receivers refuse what was signed five minutes ago, and a whole test run takes longer."""
    monkeypatch.setitem(globals(), "NOW", datetime.now(timezone.utc))


@dataclass
class Receiver:
    """A web hook's far end: answers with the given statuses in turn, the last one for ever, and keeps what it got."""

    statuses: list[int]
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    @property
    def ids(self) -> list[str]:
        """The message ids, in the order they came."""
        return [headers["webhook-id"] for headers, _ in self.got]

    def alerts(self, **more: object) -> Alerts:
        """Return a project's alerts section with this receiver as its only endpoint."""
        return Alerts.model_validate({"endpoints": [{"name": "ops", "url": self.url, "secret_env": "OPS_KEY"}], **more})


class Server(ThreadingHTTPServer):
    """Lets as many deliverers queue as the tests start; the default of five resets the connections of the rest."""

    request_queue_size = 256


@contextmanager
def receiver(*statuses: int, headers: dict[str, str] | None = None) -> Iterator[Receiver]:
    """Serve a Receiver on a free loopback port."""
    far = Receiver(list(statuses), headers or {})

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            far.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(far.statuses.pop(0) if len(far.statuses) > 1 else far.statuses[0])
            for name, value in far.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    far.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield far
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def reg(tmp_path: Path) -> Iterator[Registry]:
    """A fresh SQLite registry with one model."""
    with Registry.open(f"sqlite:///{tmp_path}/leeway.db", tmp_path / "artifacts") as made:
        operations.add_model(made, model="flights", task="binary", now=NOW)
        yield made


def happen(reg: Registry, times: int = 1) -> None:
    """Put *times* messages into the outbox."""
    for _ in range(times):
        operations.record_decision(
            reg, model="flights", incident_id=None, action=Action.NOTHING, because=["a test"], actor="test", now=NOW
        )


def test_a_receiver_gets_a_message_it_can_verify(reg: Registry) -> None:
    """What comes over the wire passes the specification's own verifier, and is recorded as delivered."""
    happen(reg)
    with receiver(204) as far:
        done = deliver(reg, far.alerts(), now=NOW, environ=ENVIRON)

    (headers, body), (delivery,) = far.got[0], outbox.deliveries(reg)
    said = Webhook(KEY).verify(body, headers)
    assert Delivered(sent=1) == done
    assert ("decision.made", "nothing") == (said["type"], said["data"]["decision"]["action"])
    assert ("delivered", 1, 204) == (delivery.state, delivery.attempts, delivery.status_code)


def test_a_failure_is_tried_again_with_the_same_id_and_a_new_time(reg: Registry) -> None:
    """A 500 is retried when the schedule says, not before; the retry verifies too."""
    happen(reg)
    later = NOW + timedelta(seconds=10)
    with receiver(500, 200) as far:
        first = deliver(reg, far.alerts(), now=NOW, environ=ENVIRON)
        too_soon = deliver(reg, far.alerts(), now=NOW + timedelta(seconds=4), environ=ENVIRON)
        second = deliver(reg, far.alerts(), now=later, environ=ENVIRON)

    (one, body), (two, _) = far.got
    assert (Delivered(failed=1), Delivered(), Delivered(sent=1)) == (first, too_soon, second)
    assert one["webhook-id"] == two["webhook-id"]
    assert int(two["webhook-timestamp"]) - int(one["webhook-timestamp"]) == 10
    Webhook(KEY).verify(body, two)


def test_a_receiver_that_is_gone_gets_no_second_attempt(reg: Registry) -> None:
    """410 ends a delivery, and the reason is on record."""
    happen(reg)
    with receiver(410) as far:
        done = deliver(reg, far.alerts(), now=NOW, environ=ENVIRON)
        again = deliver(reg, far.alerts(), now=NOW + timedelta(days=30), environ=ENVIRON)

    (delivery,) = outbox.deliveries(reg)
    assert (Delivered(dead=1), Delivered()) == (done, again)
    assert ("dead", "HTTP 410: the receiver has unsubscribed") == (delivery.state, delivery.error)


def test_retry_after_is_honoured(reg: Registry) -> None:
    """A receiver that asks for an hour gets it."""
    happen(reg)
    with receiver(429, headers={"Retry-After": "3600"}) as far:
        deliver(reg, far.alerts(), now=NOW, environ=ENVIRON)

    assert [NOW + timedelta(hours=1)] == [d.next_attempt_at for d in outbox.deliveries(reg)]


def test_a_redirect_is_not_followed(reg: Registry) -> None:
    """A receiver cannot send Leeway on to an address that was never judged."""
    happen(reg)
    with receiver(200) as other, receiver(307, headers={"Location": other.url}) as far:
        done = deliver(reg, far.alerts(), now=NOW, environ=ENVIRON)

    assert (Delivered(failed=1), 0) == (done, len(other.got))


def test_a_closed_port_is_a_failed_attempt(reg: Registry) -> None:
    """A connection error is recorded in words and tried again."""
    happen(reg)
    with receiver(200) as far:
        pass

    assert Delivered(failed=1) == deliver(reg, far.alerts(), now=NOW, environ=ENVIRON)
    assert outbox.deliveries(reg)[0].error.startswith("ConnectError: ")


def test_another_address_of_the_name_is_tried(reg: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """`localhost` may mean ::1 first while the receiver listens on 127.0.0.1: a failed connection is no attempt."""
    monkeypatch.setattr(
        ssrf_guard, "targets", functools.partial(ssrf_guard.targets, resolve=lambda *_: ["::1", "127.0.0.1"])
    )
    happen(reg)
    with receiver(200) as far:
        far.url = far.url.replace("127.0.0.1", "localhost")
        done = deliver(reg, far.alerts(), now=NOW, environ=ENVIRON)

    assert Delivered(sent=1) == done
    assert 1 == outbox.deliveries(reg)[0].attempts


def test_the_proxy_of_the_environment_is_not_used(reg: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message goes straight to the judged address, whatever HTTP_PROXY says."""
    happen(reg)
    with receiver(200) as proxy, receiver(200) as far:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        deliver(reg, far.alerts(), now=NOW, environ=ENVIRON)

    assert (0, 1) == (len(proxy.got), len(far.got))


def test_two_deliverers_at_once_send_each_message_once(reg: Registry) -> None:
    """Claims are leased: working side by side, deliverers share the work and double none of it."""
    happen(reg, 40)
    with receiver(200) as far, ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: deliver(reg, far.alerts(), now=NOW, environ=ENVIRON), range(4)))

    assert [] == [d.error for d in outbox.deliveries(reg, state="pending")]
    assert 40 == sum(d.sent for d in done)
    assert len(set(far.ids)) == len(far.ids) == 40
