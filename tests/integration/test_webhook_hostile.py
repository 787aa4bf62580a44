"""Misbehaving webhook receivers: each costs its own delivery one attempt within its deadline, and others nothing."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from alerts import delivery as delivering
from alerts.config import Alerts, Endpoint
from alerts.delivery import Delivered, deliver
from registry import operations, outbox
from registry.connection import Registry
from tests.integration.test_webhook_delivery import ENVIRON, happen

pytestmark = pytest.mark.slow

NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)
SECONDS = 1.0
"""What an attempt may take."""
Answer = Callable[[], Iterable[bytes]]


@contextmanager
def receiver(*answers: Answer) -> Iterator[tuple[str, list[str]]]:
    """Serve raw bytes on loopback, a connection each of *answers* in turn, the last one for ever; yield URL and ids.

    A piece that is empty is a rest of a tenth of a second. What has been sent in full is closed.
    """
    turns, ids, over = iter(answers), [], threading.Event()
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    listening.settimeout(0.05)
    threads: list[threading.Thread] = []

    def talk(connection: socket.socket, answer: Answer) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            ids.append(_message_id(connection))
            for piece in answer():
                if over.is_set():
                    return
                connection.sendall(piece) if piece else time.sleep(0.1)

    def accept() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listening.accept()
                threads.append(threading.Thread(target=talk, args=(connection, next(turns, answers[-1]))))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook", ids
    finally:
        over.set()
        accepting.join(5)
        for thread in threads:
            thread.join(5)
        listening.close()


def _message_id(connection: socket.socket) -> str:
    """Read a request and return the message's id; a connection that is closed with a body unread loses its answer."""
    read = b""
    while b"\r\n\r\n" not in read and (piece := connection.recv(65536)):
        read += piece
    head, _, body = read.partition(b"\r\n\r\n")
    lines = [line.partition(b": ") for line in head.split(b"\r\n")]
    fields = {name.decode().lower(): value.decode() for name, _, value in lines}
    missing = int(fields.get("content-length", 0)) - len(body)
    while missing > 0 and (piece := connection.recv(65536)):
        missing -= len(piece)
    return fields.get("webhook-id", "")


def says(*pieces: bytes) -> Answer:
    """Return an answer of so many pieces."""
    return lambda: pieces


def drips(text: bytes) -> Answer:
    """Return an answer that comes a byte at a time, and then silence."""
    return lambda: itertools.chain(
        itertools.chain.from_iterable((bytes([b]), b"") for b in text), itertools.repeat(b"", 60)
    )


OK = says(b"HTTP/1.1 204 No Content\r\n\r\n")
TAKEN = (b"HTTP/1.1 200 OK\r\n",)
ENDLESS = 10**6
LATE: dict[str, Answer] = {
    "says nothing": lambda: itertools.repeat(b"", 60),
    "a byte of a header at a time": drips(b"HTTP/1.1 200 OK\r\n" + b"x-filler: " + b"a" * 100),
    "endless headers": lambda: itertools.chain(TAKEN, (b"x-%d: y\r\n" % i for i in range(ENDLESS))),
    "one endless header": lambda: itertools.chain(TAKEN, (b"x: ",), itertools.repeat(b"y" * 4096, ENDLESS)),
    "provisional for ever": lambda: itertools.repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n", ENDLESS),
}
WRONG: dict[str, Answer] = {
    "no HTTP": says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "no status": says(b"HTTP/1.1 \r\n\r\n"),
    "a huge status": says(b"HTTP/1.1 99999999999999999999 X\r\n\r\n"),
    "a negative status": says(b"HTTP/1.1 -200 X\r\n\r\n"),
    "garbage": says(bytes(range(256)) * 8),
    "closed at once": says(),
    "closed within the status": says(b"HTTP/1.1 2"),
    "closed within the headers": says(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "two lengths": says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    "a redirect inwards": says(
        b"HTTP/1.1 307 X\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n"
    ),
    "another protocol": says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    "a long Retry-After": says(b"HTTP/1.1 429 X\r\nRetry-After: " + b"9" * 5000 + b"\r\n\r\n"),
    "a late Retry-After": says(b"HTTP/1.1 503 X\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n\r\n"),
    "a Retry-After that is none": says(b"HTTP/1.1 429 X\r\nRetry-After: -NaN\r\nRetry-After: \xff\xfe\r\n\r\n"),
    "escape sequences": says(b"HTTP/1.1 \x1b[2J\x1b]0;x\x07 X\r\n\r\n"),
}
DONE: dict[str, Answer] = {
    "an endless body": lambda: itertools.chain(TAKEN, (b"\r\n",), itertools.repeat(b"x" * 65536, ENDLESS)),
    "a body cut short": says(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nab"),
    "chunks that are none": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "an early hint": says(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 X\r\n\r\n"),
}


@pytest.fixture
def reg(tmp_path: Path) -> Iterator[Registry]:
    """A fresh SQLite registry with one model."""
    with Registry.open(f"sqlite:///{tmp_path}/leeway.db", tmp_path / "artifacts") as made:
        operations.add_model(made, model="flights", task="binary", now=NOW)
        yield made


def alerts(**urls: str) -> Alerts:
    """Return the section with an endpoint for each of *urls* by name."""
    endpoints = tuple(Endpoint(name=name, url=url, secret_env="OPS_KEY") for name, url in urls.items())
    return Alerts(endpoints=endpoints, timeout_seconds=SECONDS)


@pytest.mark.parametrize("kinds", [LATE, WRONG, DONE], ids=["late", "wrong", "done"])
def test_no_receiver_stops_the_others(reg: Registry, kinds: dict[str, Answer]) -> None:
    """Every kind of misbehaviour in one batch: it ends by one deadline, with each on record, and a good one served."""
    happen(reg)
    with contextlib.ExitStack() as stack:
        urls = {f"bad-{i}": stack.enter_context(receiver(answer))[0] for i, answer in enumerate(kinds.values())}
        good, got = stack.enter_context(receiver(OK))
        began = time.monotonic()
        done = deliver(reg, alerts(good=good, **urls), now=NOW, environ=ENVIRON)
        took = time.monotonic() - began

    bad = {kind: outbox.deliveries(reg, endpoint=f"bad-{i}")[0] for i, kind in enumerate(kinds)}
    expected = "delivered" if kinds is DONE else "pending"
    assert dict.fromkeys(kinds, expected) == {kind: d.state for kind, d in bad.items()}
    assert ["delivered"] == [d.state for d in outbox.deliveries(reg, endpoint="good")]
    assert (1, len(kinds) + 1) == (len(got), done.total)
    assert took < SECONDS + 3  # a busy machine's threads
    assert all(d.error.isprintable() and len(d.error) <= 300 for d in bad.values())
    assert all(d.next_attempt_at - NOW < timedelta(days=2) for d in bad.values() if d.next_attempt_at)


def test_the_deadline_is_that_of_the_whole_attempt(reg: Registry) -> None:
    """A byte each tenth of a second keeps no single read waiting, and does not keep the attempt going either."""
    happen(reg)
    with receiver(LATE["a byte of a header at a time"]) as (url, _):
        assert Delivered(failed=1) == deliver(reg, alerts(slow=url), now=NOW, environ=ENVIRON)

    assert outbox.deliveries(reg)[0].error.startswith("no complete answer within")


@pytest.mark.parametrize(
    "no",
    [
        says(b"HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n"),
        says(b"HTTP/1.1 429 X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"),
        says(b"HTTP/1.1 429 X\r\nRetry-After: " + b"9" * 5000 + b"\r\n\r\n"),
        says(),
    ],
    ids=["429", "429 with Retry-After", "429 with a long one", "closed while queued"],
)
def test_what_is_turned_away_is_delivered_once_in_the_end(reg: Registry, no: Answer) -> None:
    """A receiver that has too much turns half of a batch away: each message arrives, once under its id."""
    happen(reg, 6)
    with receiver(no, OK, no, OK, no, OK) as (url, ids):
        first = deliver(reg, alerts(ops=url), now=NOW, environ=ENVIRON)
        turned_away = {d.message_id for d in outbox.deliveries(reg, state="pending")}
        second = deliver(reg, alerts(ops=url), now=NOW + timedelta(hours=30), environ=ENVIRON)

    assert (Delivered(sent=3, failed=3), Delivered(sent=3)) == (first, second)
    taken = [d.message_id for d in outbox.deliveries(reg, state="delivered")]
    assert sorted([*taken, *turned_away]) == sorted(ids)


def test_a_deliverer_that_is_too_slow_takes_nothing_from_the_next(
    reg: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was stopped for longer than its lease reports late: what the next one has on record stays."""
    happen(reg)
    monkeypatch.setattr(delivering, "GRACE", timedelta(0))
    lease = delivering.lease(alerts())
    with receiver(OK) as (url, ids):
        after = NOW + lease

        def stopped(*_: object) -> delivering.retry.Reply:
            assert Delivered(sent=1) == deliver(reg, alerts(ops=url), now=after, environ=ENVIRON)
            return delivering.retry.Reply(error="timed out")

        deliver(reg, alerts(ops=url), now=NOW, environ=ENVIRON, send=stopped)

    (delivery,) = outbox.deliveries(reg)
    assert ("delivered", after, 1) == (delivery.state, delivery.delivered_at, len(ids))
