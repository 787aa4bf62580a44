"""Alert delivery: which endpoint gets which message, and what is recorded if one does not; without a server."""

from __future__ import annotations

import base64
import functools
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from alerts import delivery as delivering
from alerts import retry, ssrf_guard
from alerts.config import Alerts, Endpoint
from alerts.delivery import Delivered, deliver
from registry import operations, outbox
from registry.connection import Registry
from registry.records import Action

NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)
KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ENVIRON = {"OPS_KEY": KEY}
OPS = Endpoint(name="ops", url="http://127.0.0.1:9/ops", secret_env="OPS_KEY")
ALERTS = Alerts(endpoints=(OPS,))


@pytest.fixture
def reg(tmp_path: Path) -> Iterator[Registry]:
    """A registry with one message in its outbox."""
    with Registry.open(f"sqlite:///{tmp_path}/leeway.db", tmp_path / "artifacts") as made:
        operations.add_model(made, model="flights", task="binary", now=NOW)
        happen(made)
        yield made


def happen(reg: Registry) -> None:
    """Put a message of type `decision.made` into the outbox."""
    operations.record_decision(
        reg, model="flights", incident_id=None, action=Action.NOTHING, because=["a test"], actor="test", now=NOW
    )


def taken(*_: object) -> retry.Reply:
    """Answer as a receiver that takes everything."""
    return retry.Reply(204)


def down(*_: object) -> retry.Reply:
    """Answer as a receiver that is down."""
    return retry.Reply(503)


def test_attempts_end_and_the_last_error_stays(reg: Registry) -> None:
    """A receiver that is down for good leaves a dead delivery with the status it gave."""
    three = ALERTS.model_copy(update={"attempts": 3})
    seen = [deliver(reg, three, now=NOW + timedelta(hours=h), environ=ENVIRON, send=down) for h in range(5)]

    assert [Delivered(failed=1), Delivered(failed=1), Delivered(dead=1), Delivered(), Delivered()] == seen
    assert ["HTTP 503"] == [d.error for d in outbox.deliveries(reg, state="dead")]


def test_what_a_dead_deliverer_claimed_is_sent_after_its_lease(reg: Registry) -> None:
    """A crash between claim and answer costs a delay, never a message."""

    def crash(*_: object) -> retry.Reply:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deliver(reg, ALERTS, now=NOW, environ=ENVIRON, send=crash)
    lease = delivering.lease(ALERTS)
    leased = deliver(reg, ALERTS, now=NOW + lease / 2, environ=ENVIRON, send=taken)
    expired = deliver(reg, ALERTS, now=NOW + lease, environ=ENVIRON, send=taken)

    assert (Delivered(), Delivered(sent=1)) == (leased, expired)


@pytest.mark.parametrize("seconds", [1, 15, 60])
def test_a_lease_outlasts_the_slowest_batch(seconds: int) -> None:
    """All of a batch are attempted at once, each within its own deadline, and there is time left to write it down."""
    lease = delivering.lease(ALERTS.model_copy(update={"timeout_seconds": seconds}))

    assert timedelta(seconds=seconds) + delivering.GRACE < lease < timedelta(minutes=5)


@pytest.mark.parametrize(
    "error", [ValueError("\x1b[2J" * 99), RecursionError(), UnicodeEncodeError("utf-8", "", 0, 1, "")]
)
def test_whatever_goes_wrong_with_one_is_on_record_and_the_others_go_on(reg: Registry, error: Exception) -> None:
    """Not only what a receiver is known to do: nothing that is raised leaves its own delivery."""
    other = OPS.model_copy(update={"name": "other", "url": "http://127.0.0.1:10/"})

    def broken(target: ssrf_guard.Target, *_: object) -> retry.Reply:
        if target.url == OPS.url:
            raise error
        return retry.Reply(204)

    done = deliver(reg, Alerts(endpoints=(OPS, other)), now=NOW, environ=ENVIRON, send=broken)
    (failed,) = outbox.deliveries(reg, state="pending")

    assert Delivered(sent=1, failed=1) == done
    assert failed.error.startswith(type(error).__name__)
    assert failed.error.isprintable()
    assert retry.ERROR_LENGTH >= len(failed.error)


def test_each_is_marked_as_its_own_answer_comes(reg: Registry) -> None:
    """What was taken is on record while another receiver has yet to answer."""
    other = OPS.model_copy(update={"name": "slow", "url": "http://127.0.0.1:10/"})
    seen: list[str] = []

    def send(target: ssrf_guard.Target, *_: object) -> retry.Reply:
        deadline = time.monotonic() + 10
        while target.url == other.url and not seen and time.monotonic() < deadline:
            seen.extend(d.endpoint for d in outbox.deliveries(reg, state="delivered"))
        return retry.Reply(204)

    assert Delivered(sent=2) == deliver(reg, Alerts(endpoints=(OPS, other)), now=NOW, environ=ENVIRON, send=send)
    assert ["ops"] == seen


def test_a_look_up_that_hangs_ends_with_the_attempt(reg: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver has time-outs of its own, which are none of ours."""
    ended = threading.Event()
    monkeypatch.setattr(ssrf_guard, "targets", lambda _: ended.wait(10))

    done = deliver(reg, ALERTS.model_copy(update={"timeout_seconds": 0.05}), now=NOW, environ=ENVIRON, send=taken)
    ended.set()

    assert Delivered(failed=1) == done
    assert "was not looked up within 0.05 s" in outbox.deliveries(reg)[0].error


def test_addresses_share_the_time_of_an_attempt(reg: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three addresses that do not answer take no longer than one: each has its part of what is left to connect."""
    times: list[tuple[float, float]] = []
    monkeypatch.setattr(
        ssrf_guard, "targets", functools.partial(ssrf_guard.targets, resolve=lambda *_: ["::1", "127.0.0.1"])
    )

    def unreachable(_: object, __: object, ___: object, whole: float, connect: float) -> retry.Reply:
        times.append((whole, connect))
        return retry.Reply(error="no route", unreachable=True)

    deliver(reg, ALERTS, now=NOW, environ=ENVIRON, send=unreachable)

    (first, half), (second, rest) = times
    assert (pytest.approx(first / 2), second) == (half, rest)
    assert 15 >= first >= second


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Endpoint(name="pager", url="https://pager.example", secret_env="PAGER_KEY"), "PAGER_KEY, is not set"),
        (Endpoint(name="pager", url="https://10.0.0.1/", secret_env="OPS_KEY"), "an address that is not public"),
    ],
)
def test_one_endpoint_that_is_set_up_wrong_does_not_silence_the_others(
    reg: Registry, broken: Endpoint, said: str
) -> None:
    """A missing key or a refused address is on record for that endpoint; the message reaches the other."""
    done = deliver(reg, Alerts(endpoints=(broken, OPS)), now=NOW, environ=ENVIRON, send=taken)

    assert Delivered(sent=1, failed=1) == done
    assert said in outbox.deliveries(reg, endpoint="pager")[0].error


def test_an_endpoint_gets_only_what_it_wants(reg: Registry) -> None:
    """`events` chooses by type or family."""
    wants = {"a": ("incident.*",), "b": ("decision.*",), "c": ("model.promoted", "decision.made")}
    endpoints = tuple(OPS.model_copy(update={"name": name, "events": events}) for name, events in wants.items())

    deliver(reg, Alerts(endpoints=endpoints), now=NOW, environ=ENVIRON, send=taken)

    assert ["b", "c"] == [d.endpoint for d in outbox.deliveries(reg)]


def test_a_delivery_to_an_endpoint_that_left_the_project_dies(reg: Registry) -> None:
    """Nobody is left to send to, and the delivery says so."""
    deliver(reg, ALERTS, now=NOW, environ=ENVIRON, send=down)
    done = deliver(reg, Alerts(), now=NOW + timedelta(minutes=1), environ=ENVIRON, send=taken)

    assert Delivered(dead=1) == done
    assert "no endpoint of this name" in outbox.deliveries(reg)[0].error


def test_more_than_a_batch_takes_more_than_a_call(reg: Registry) -> None:
    """A call sends one batch; total is 0 once all are sent."""
    for _ in range(delivering.BATCH):
        happen(reg)
    seen = [deliver(reg, ALERTS, now=NOW, environ=ENVIRON, send=taken).total for _ in range(3)]

    assert [delivering.BATCH, 1, 0] == seen


def test_a_receiver_that_answers_gets_messages_in_order(reg: Registry) -> None:
    """However long each takes: what was raised cannot arrive before it was opened."""
    for _ in range(8):
        happen(reg)
    seen: list[str] = []
    lengths = iter([0.02, 0.0] * 5)

    def slow(_: object, text: str, headers: dict[str, str], *__: object) -> retry.Reply:
        time.sleep(next(lengths))
        seen.append(headers["webhook-id"])
        return retry.Reply(204)

    assert Delivered(sent=9) == deliver(reg, ALERTS, now=NOW, environ=ENVIRON, send=slow)  # type: ignore[arg-type]
    assert [m.id for m in outbox.messages(reg)] == seen


def test_order_is_given_up_for_a_receiver_that_does_not_answer(reg: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure, and once the time for order is over, the rest of its messages is sent at once."""
    monkeypatch.setattr(delivering, "PROMPT", 0.05)
    for _ in range(8):
        happen(reg)
    together = threading.Barrier(9)

    def hang(*_: object) -> retry.Reply:
        together.wait(timeout=10)  # all nine are here at the same time, or this raises
        return retry.Reply(204)

    assert Delivered(sent=9) == deliver(reg, ALERTS, now=NOW, environ=ENVIRON, send=hang)


def test_retries_of_a_batch_are_in_order_too(reg: Registry) -> None:
    """They were put off by delays that differ at random, and are all due when the receiver is back."""
    for _ in range(8):
        happen(reg)
    deliver(reg, ALERTS, now=NOW, environ=ENVIRON, send=down)
    arrived: list[str] = []

    def back(_: object, text: str, headers: dict[str, str], *__: object) -> retry.Reply:
        arrived.append(headers["webhook-id"])
        return retry.Reply(204)

    deliver(reg, ALERTS, now=NOW + timedelta(hours=1), environ=ENVIRON, send=back)  # type: ignore[arg-type]
    assert [m.id for m in outbox.messages(reg)] == arrived
