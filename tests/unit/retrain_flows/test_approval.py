"""Promotions that somebody must approve: asked for once, kept on offer, and ended by an answer or another champion."""

from __future__ import annotations

import pytest

from features.errors import IllegalMove
from registry import operations, outbox, queries
from registry.records import (
    APPROVAL,
    OTHER_CHAMPION,
    Action,
    CheckResult,
    IncidentState,
    RetrainRun,
    RunState,
    VersionState,
)
from retrain_flows import approval, follow_up, reconcile, retrain
from retrain_flows.config import Gate
from retrain_flows.data.workspace import Workspace
from retrain_flows.retrain import RetrainRequest
from tests.support import trained_model as world
from tests.unit.retrain_flows.conftest import Make

SOON = world.START + (world.TURN + 5) * world.DAY


def retrained(ws: Workspace, as_of: int | None = None) -> RetrainRun:
    """Retrain for a new incident, at the end of the world's events or *as_of* a day, and return the run."""
    decision = operations.record_decision(ws.registry, model="m", incident_id=None, action=Action.RETRAIN,
                                          because=["drift"], actor="leeway", now=world.NOW)  # fmt: skip
    at = world.AS_OF if as_of is None else world.START + as_of * world.DAY
    return retrain.run(ws, RetrainRequest(decision, at, world.NOW))


def champion(ws: Workspace) -> str:
    """Return the champion's name."""
    found = queries.champion(ws.registry, "m")
    assert found is not None
    return found.version


def approve(ws: Workspace, run: RetrainRun) -> None:
    """Approve a run as Ann."""
    approval.approve(ws.registry, run, actor="ann", reason="looks good", effective_at=world.AS_OF, now=world.NOW)


@pytest.fixture
def asking(make: Make) -> Workspace:
    """Return a workspace where promotions need approval."""
    return make(decide="ask")


def test_what_passed_the_gate_waits_and_an_alert_says_so(asking: Workspace) -> None:
    """The champion stays, the candidate has its baseline, and all checks are on record as passed."""
    run = retrained(asking)
    assert (RunState.HELD, True, "v2") == (run.state, run.awaits_approval, run.challenger)
    assert run.reason.startswith(f"{APPROVAL}: static challenger passed the gate: mean loss")
    assert {CheckResult.PASS} == {c.result for c in queries.checks(asking.registry, run.id)}
    assert ("v1", VersionState.CANDIDATE) == (champion(asking), queries.version(asking.registry, "m", "v2").state)
    assert queries.baseline_of(asking.registry, "m", "v2") is not None
    (message,) = outbox.messages(asking.registry, "m", type="retrain.held")
    assert run.reason == message.data["run"]["reason"]


def test_the_loop_asks_once_and_goes_on_asking(asking: Workspace) -> None:
    """An incident leads to one retrain; further reconciles change nothing, long after the gate's patience."""
    (incident,) = world.drift(asking)
    (outcome,) = reconcile.reconcile(asking, now=world.NOW, as_of=world.AS_OF)
    assert outcome.result.startswith(f"retrain held: {APPROVAL}")
    later = world.AS_OF + asking.trainers.gate.patience * world.DAY
    for at in (world.AS_OF, later, later):
        reconcile.reconcile(asking, now=world.NOW, as_of=at, execute=_no_retrain)
    (run,) = queries.runs(asking.registry, "m")
    assert run.awaits_approval
    assert 1 == len(outbox.messages(asking.registry, "m", type="retrain.held"))
    assert IncidentState.RESOLVED is not queries.incident(asking.registry, incident.id).state


def _no_retrain(_: Workspace, request: RetrainRequest) -> RetrainRun:
    """Fail a retrain, so that only what is on record counts."""
    msg = f"decision {request.decision.id} is not carried out"
    raise IllegalMove(msg)


def test_approval_promotes_with_the_run_s_gate_and_says_who(asking: Workspace) -> None:
    """Decision, run and checks are those of the retrain; its incident is resolved."""
    (incident,) = world.drift(asking)
    reconcile.reconcile(asking, now=world.NOW, as_of=world.AS_OF)
    (run,) = approval.awaiting(asking.registry, "m")
    approve(asking, run)
    made = queries.promotions(asking.registry, "m")[-1]
    assert ("v2", "ann", "approved: looks good") == (made.to_version, made.actor, made.reason)
    assert (run.id, run.decision_id) == (made.run_id, made.decision_id)
    assert RunState.PROMOTED is queries.run(asking.registry, run.id).state
    assert IncidentState.RESOLVED is queries.incident(asking.registry, incident.id).state
    with pytest.raises(IllegalMove, match="does not wait for approval"):
        approve(asking, queries.run(asking.registry, run.id))


def test_a_refusal_ends_the_run_and_says_who(asking: Workspace) -> None:
    """It counts as rejected, so the cool-down begins; the version can never be promoted by that run."""
    (incident,) = world.drift(asking)
    reconcile.reconcile(asking, now=world.NOW, as_of=world.AS_OF)
    done = approval.refuse(asking.registry, "m", "v2", actor="ann", reason="not before the holidays", now=world.NOW)
    assert (RunState.REJECTED, "refused by ann: not before the holidays") == (done.state, done.reason)
    assert VersionState.REJECTED is queries.version(asking.registry, "m", "v2").state
    line = next(e for e in queries.audit_log(asking.registry) if e.action == "retrain.rejected")
    assert "ann" == line.actor
    reconcile.reconcile(asking, now=world.NOW, as_of=world.AS_OF + world.DAY, execute=_no_retrain)
    assert queries.incident(asking.registry, incident.id).pending.startswith("retrain.cool_down")


def test_what_is_not_held_cannot_be_refused(asking: Workspace) -> None:
    """The error names what is held."""
    retrained(asking)
    with pytest.raises(IllegalMove, match="no run of m is held for v1") as refusal:
        approval.refuse(asking.registry, "m", "v1", actor="ann", reason="x", now=world.NOW)
    assert "held: v2" == refusal.value.hint


def test_a_later_retrain_that_passes_takes_its_place(asking: Workspace) -> None:
    """The newest of what passed is on offer, and only that."""
    first = retrained(asking, as_of=50)
    second = retrained(asking)
    ended = queries.run(asking.registry, first.id)
    assert [second.id] == [run.id for run in approval.awaiting(asking.registry, "m")]
    assert (RunState.REJECTED, "superseded: v3 passed the gate after it") == (ended.state, ended.reason)


def test_a_later_retrain_that_does_not_pass_leaves_it_on_offer(make: Make) -> None:
    """Too few rows, or a useless model: what has passed has passed."""
    asking = make(decide="ask")
    first = retrained(asking, as_of=50)
    second = retrained(make(decide="ask", gate=Gate(min_rows=100_000)))
    assert (RunState.HELD, False) == (second.state, second.awaits_approval)
    third = retrained(make(decide="ask", trainer="tests.support.trained_model:useless"))
    assert not third.awaits_approval
    assert [first] == approval.awaiting(asking.registry, "m")
    approve(asking, first)
    assert "v2" == champion(asking)


def test_another_champion_ends_it(asking: Workspace) -> None:
    """It was not compared with that one: its run ends with the promotion, and it cannot be approved."""
    run = retrained(asking)
    version = queries.version(asking.registry, "m", "v1")
    operations.add_version(asking.registry, version.model_copy(
        update={"version": "hand", "baseline": None, "state": VersionState.CANDIDATE}
    ))  # fmt: skip
    baseline = queries.baseline_of(asking.registry, "m", "v1")
    assert baseline is not None
    operations.store_baseline(asking.registry, baseline.model_copy(update={"version": "hand"}), now=world.NOW)
    operations.promote(asking.registry, model="m", version="hand", expected_generation=1, effective_at=world.AS_OF,
                       actor="bob", reason="x", now=world.NOW)  # fmt: skip
    assert OTHER_CHAMPION == queries.run(asking.registry, run.id).reason
    with pytest.raises(IllegalMove, match="cannot be approved any more: superseded: another version"):
        approve(asking, run)
    assert [] == approval.awaiting(asking.registry, "m")


def test_a_trial_that_passes_asks_too(make: Make) -> None:
    """The same in shadow as in the gate; one look decides, and none follows."""
    decided = make(decide="ask")
    decision = operations.record_decision(decided.registry, model="m", incident_id=None, action=Action.RETRAIN,
                                          because=["x"], actor="leeway", now=world.NOW)  # fmt: skip
    held = retrain.run(decided, RetrainRequest(decision, SOON, world.NOW))
    assert (RunState.HELD, False) == (held.state, held.awaits_approval)
    outcomes = follow_up.follow_up(decided, as_of=world.AS_OF, now=world.NOW)
    assert outcomes[0].result.startswith(f"retrain held: {APPROVAL}: v2 in shadow against v1")
    assert [] == follow_up.follow_up(decided, as_of=world.AS_OF, now=world.NOW)
    approve(decided, queries.run(decided.registry, held.id))
    assert "v2" == champion(decided)


def test_where_nobody_is_asked_any_more_it_is_promoted(make: Make) -> None:
    """By the next follow-up, for the reason that it passed."""
    run = retrained(make(decide="ask"))
    (outcome,) = follow_up.follow_up(make(decide="act"), as_of=world.AS_OF, now=world.NOW)[:1]
    assert outcome.result.startswith("retrain promoted: static challenger passed the gate")
    assert run.challenger == champion(make())
