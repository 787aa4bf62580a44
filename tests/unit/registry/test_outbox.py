"""The outbox: no message is lost, and no two deliverers lease the same delivery."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from features.errors import IllegalMove, NotFound
from monitors.signals import Severity
from registry import operations, outbox, queries
from registry.connection import Registry
from registry.incidents import ingest
from registry.records import Delivery
from tests.support import registry_values as make

MINUTE = timedelta(minutes=1)


def claim(reg: Registry, *, after: timedelta = timedelta(0), limit: int = 100) -> list[int]:
    """Claim for a minute what is due *after* the start, and return the deliveries' numbers."""
    claimed = outbox.claim(reg, now=make.NOW + after, limit=limit, lease=MINUTE)
    assert all(delivery.message_id == message.id for delivery, message in claimed)
    return [delivery.id for delivery, _ in claimed]


def held(reg: Registry, number: int) -> Delivery:
    """Return a delivery as whoever has claimed it last knows it."""
    return next(d for d in outbox.deliveries(reg) if d.id == number)


@pytest.fixture
def due(reg: Registry) -> list[Delivery]:
    """Return the deliveries of three messages to one endpoint."""
    for name in ("a", "b", "c"):
        make.champion(reg, of=name)
    outbox.fan_out(reg, {"ops": ["*"]}, now=make.NOW)
    return outbox.deliveries(reg)


def test_an_endpoint_is_sent_the_types_it_wants(reg: Registry) -> None:
    """`*` is all, `incident.*` a family, and a plain name itself."""
    make.champion(reg)
    ingest.ingest(reg, [make.window(1)], now=make.NOW)
    wanted = {
        "all": ["*"],
        "family": ["incident.*"],
        "one": ["model.promoted", "x"],
        "none": ["audit.*"],
    }
    assert 4 == outbox.fan_out(reg, wanted, now=make.NOW)
    types = {m.id: m.type for m in outbox.messages(reg)}
    sent = sorted((d.endpoint, types[d.message_id]) for d in outbox.deliveries(reg))
    both = [("all", "incident.opened"), ("all", "model.promoted")]
    assert [*both, ("family", "incident.opened"), ("one", "model.promoted")] == sent


def test_an_endpoint_is_told_of_incidents_that_matter_to_it(reg: Registry) -> None:
    """One that is too small is told when it rises, and when it is over; what is no incident is told in any case."""
    make.champion(reg)
    (incident,) = ingest.ingest(reg, [make.window(1)], now=make.NOW).opened
    ingest.ingest(reg, [make.window(2, effect=0.5, threshold=0.125)], now=make.NOW)
    operations.resolve_incident(reg, incident.id, because="x", actor="ann", now=make.NOW)
    least = {"calm": Severity.CRITICAL, "ops": Severity.WARNING}
    outbox.fan_out(reg, {"all": ["*"], "calm": ["*"], "ops": ["*"]}, least=least, now=make.NOW)
    types = {m.id: m.type for m in outbox.messages(reg)}
    sent = {name: [types[d.message_id] for d in outbox.deliveries(reg, endpoint=name)] for name in ("all", *least)}
    rest = ["decision.made", "incident.resolved"]
    assert ["model.promoted", "incident.opened", "incident.raised", *rest] == sent["all"]
    assert ["model.promoted", "incident.raised", *rest] == sent["ops"]
    assert ["model.promoted", "decision.made"] == sent["calm"]


def test_a_message_is_fanned_out_once(reg: Registry, due: list[Delivery]) -> None:
    """A later endpoint is not sent what happened before it was there."""
    assert 0 == outbox.fan_out(reg, {"ops": ["*"], "new": ["*"]}, now=make.NOW)
    assert due == outbox.deliveries(reg)


def test_a_claimed_delivery_is_held_until_its_lease_ends(reg: Registry, due: list[Delivery]) -> None:
    """Within the lease nobody else gets it; after it, as after a crash, it is claimed again, one attempt later."""
    assert [1, 2] == claim(reg, limit=2)
    assert [3] == claim(reg, after=MINUTE / 2)
    assert [] == claim(reg, after=MINUTE * 0.99)
    assert [1, 2] == claim(reg, after=MINUTE)
    assert [2, 2, 1] == [d.attempts for d in outbox.deliveries(reg)]


def test_deliverers_at_the_same_moment_share_the_work(reg: Registry, due: list[Delivery]) -> None:
    """Of eight deliverers each delivery goes to exactly one."""
    with ThreadPoolExecutor(8) as pool:
        taken = [number for got in pool.map(lambda _: claim(reg, limit=1), range(8)) for number in got]
    assert [1, 2, 3] == sorted(taken)


def test_what_failed_is_due_again_when_said(reg: Registry, due: list[Delivery]) -> None:
    """The lease is given up at once, and the next attempt waits for its time."""
    claim(reg)
    retry = make.NOW + 5 * MINUTE
    failed = outbox.mark(
        reg, held(reg, 1), state="pending", status_code=503, error="busy", next_attempt_at=retry, now=make.NOW
    )
    assert ("pending", 503, "busy", retry) == (failed.state, failed.status_code, failed.error, failed.next_attempt_at)
    assert [2, 3] == claim(reg, after=4 * MINUTE)
    assert [2, 3, 1] == claim(reg, after=5 * MINUTE)
    with pytest.raises(IllegalMove, match="needs the time of the next attempt"):
        outbox.mark(reg, held(reg, 1), state="pending", now=make.NOW)


@pytest.mark.parametrize("state", ["delivered", "dead"])
def test_what_is_done_is_not_claimed(reg: Registry, due: list[Delivery], state: str) -> None:
    """Delivered and dead deliveries stay on record and are never due."""
    claim(reg)
    outbox.mark(reg, held(reg, 2), state=state, status_code=200, now=make.NOW)  # type: ignore[arg-type]
    assert [1, 3] == claim(reg, after=make.DAY)
    assert [2] == [d.id for d in outbox.deliveries(reg, endpoint="ops", state=state)]


def test_delivered_is_final(reg: Registry, due: list[Delivery]) -> None:
    """A slow deliverer whose lease ran out cannot undo what a faster one did."""
    claim(reg)
    mine = held(reg, 1)
    delivered = outbox.mark(reg, mine, state="delivered", status_code=200, now=make.NOW)
    assert make.NOW == delivered.delivered_at
    assert delivered == outbox.mark(reg, mine, state="dead", error="timed out", now=make.NOW + MINUTE)
    with pytest.raises(IllegalMove, match="is delivered, and is not sent twice"):
        outbox.requeue(reg, 1, now=make.NOW)


@pytest.mark.parametrize("state", ["pending", "delivered", "dead"])
def test_only_the_holder_of_the_lease_marks(reg: Registry, due: list[Delivery], state: str) -> None:
    """Whatever a slow deliverer learns after its lease, it neither ends nor frees what another sends by now."""
    claim(reg)
    slow = held(reg, 1)
    claim(reg, after=MINUTE)
    fast = held(reg, 1)
    again = make.NOW + MINUTE if state == "pending" else None
    late = {"state": state, "error": "late", "next_attempt_at": again, "now": make.NOW + MINUTE}

    assert fast == outbox.mark(reg, slow, **late)  # type: ignore[arg-type]
    assert [] == claim(reg, after=1.5 * MINUTE)
    assert (state, "late") == ((done := outbox.mark(reg, fast, **late)).state, done.error)  # type: ignore[arg-type]


def test_a_replayed_delivery_is_no_longer_its_old_holders(reg: Registry, due: list[Delivery]) -> None:
    """Attempts are counted anew, and a claim from before does not pass for one of the new ones."""
    claim(reg)
    old = held(reg, 1)
    claim(reg, after=MINUTE)
    outbox.mark(reg, held(reg, 1), state="dead", error="410", now=make.NOW)
    outbox.requeue(reg, 1, now=make.NOW)
    claim(reg, after=2 * MINUTE)

    assert old.attempts == held(reg, 1).attempts
    assert "pending" == outbox.mark(reg, old, state="delivered", now=make.NOW).state


def test_every_endpoint_has_its_turn(reg: Registry, due: list[Delivery]) -> None:
    """One for which much is due, because it is slow or down, leaves room in a batch for the others."""
    for name in ("d", "e", "f"):
        make.champion(reg, of=name)
    outbox.fan_out(reg, {"ops": ["*"], "pager": ["*"]}, now=make.NOW + MINUTE)

    batch = outbox.claim(reg, now=make.NOW + MINUTE, limit=4, lease=MINUTE)

    assert ["ops", "ops", "pager", "pager"] == sorted(delivery.endpoint for delivery, _ in batch)


def test_a_dead_delivery_can_be_replayed(reg: Registry, due: list[Delivery]) -> None:
    """It is due at once, with all its attempts before it."""
    claim(reg)
    outbox.mark(reg, held(reg, 1), state="dead", error="410", now=make.NOW)
    assert ("pending", 0) == (outbox.requeue(reg, 1, now=make.NOW).state, outbox.deliveries(reg)[0].attempts)
    assert [1] == claim(reg)
    for number in (99, 0, -1, 2**63, 10**30):
        with pytest.raises(NotFound, match=f"no delivery {number}"):
            outbox.requeue(reg, number, now=make.NOW)


def test_what_waits_for_hours_can_be_made_due(reg: Registry, due: list[Delivery]) -> None:
    """The receiver was repaired; while an attempt is going on, there is nothing to make due."""
    claim(reg)
    with pytest.raises(IllegalMove, match="is being sent"):
        outbox.requeue(reg, 1, now=make.NOW)
    outbox.mark(reg, held(reg, 1), state="pending", error="500", next_attempt_at=make.NOW + 60 * MINUTE, now=make.NOW)
    again = outbox.requeue(reg, 1, now=make.NOW)
    assert ("pending", 0, make.NOW) == (again.state, again.attempts, again.next_attempt_at)


def test_a_finished_audit_is_on_record_and_told(reg: Registry) -> None:
    """Findings and numbers are read back as they were, and the message carries them."""
    make.model(reg)
    result = operations.record_audit(
        reg, model="m", period_start=make.NOW - make.DAY, period_end=make.NOW, passed=False,
        findings=["one window differs"], numbers={"windows": 30.0}, report="audits/1.md", now=make.NOW,
    )  # fmt: skip
    assert [result] == queries.audits(reg, "m")
    (message,) = outbox.messages(reg, type="audit.finished")
    assert result.model_dump(mode="json") == message.data["result"]
