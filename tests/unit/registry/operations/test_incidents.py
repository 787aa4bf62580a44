"""Incidents and their decisions: one each, made once, for any callers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from features.errors import IllegalMove, NotFound
from registry import operations, outbox, queries
from registry.connection import Registry
from registry.incidents import ingest
from registry.records import Action, Decision, Incident, IncidentState
from tests.support import registry_values as make


@pytest.fixture
def incident(reg: Registry) -> Incident:
    """Return an open incident of model `m`."""
    make.champion(reg)
    return ingest.ingest(reg, [make.window(1)], now=make.NOW).opened[0]


def test_an_incident_gets_one_decision(reg: Registry, incident: Incident) -> None:
    """Who decides second is given the first decision, unchanged, and nothing is told twice."""
    first = make.decide(reg, incident.id, Action.RETRAIN)
    before = make.everything(reg)
    assert first == make.decide(reg, incident.id, Action.NOTHING)
    assert before == make.everything(reg)
    assert first == queries.decision_of(reg, incident.id)
    assert [] == queries.undecided(reg)
    assert ("js = 0.5",) == first.because


def test_deciders_at_the_same_moment_make_one_decision(reg: Registry, incident: Incident) -> None:
    """Eight threads decide; all are given the same decision."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: make.decide(reg, incident.id), range(8)))
    assert [made[0]] * 8 == made
    assert [made[0]] == queries.decisions(reg, "m")
    assert 1 == len(outbox.messages(reg, "m", type="decision.made"))


def test_decisions_by_hand_need_no_incident(reg: Registry) -> None:
    """Each is a decision of its own."""
    make.champion(reg)
    assert [1, 2] == [make.decide(reg, None).id for _ in range(2)]


def test_callers_with_the_same_cause_at_the_same_moment_make_one_decision(reg: Registry) -> None:
    """Eight threads call for one flow run; to do something else for that reason, or for another model, is another."""
    make.champion(reg)
    make.champion(reg, of="other")

    def decide(model: str = "m", action: Action = Action.RETRAIN) -> Decision:
        return operations.record_decision(reg, model=model, incident_id=None, action=action, because=("x", "run 1"),
                                          actor="ann", now=make.NOW, once="run 1")  # fmt: skip

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: decide(), range(8)))
    assert [made[0]] * 8 == made
    assert [1, 2, 3] == [made[0].id, decide("other").id, decide(action=Action.ROLL_BACK).id]
    assert [made[0]] == [d for d in queries.decisions(reg, "m") if d.action is Action.RETRAIN]


def test_schedules_at_the_same_moment_make_one_decision(reg: Registry) -> None:
    """Eight threads have seen the same state; one decides, and the next does so once it has seen that."""
    make.champion(reg)
    seen = make.decide(reg, None).id
    make.decide(reg, None, Action.ROLL_BACK)  # no retrain, and so in nobody's way

    def schedule(newest: int) -> Decision | None:
        return operations.schedule_retrain(
            reg, "m", because=("28 days",), actor="schedule", newest=newest, now=make.NOW
        )

    with ThreadPoolExecutor(8) as pool:
        (made,) = (d for d in pool.map(lambda _: schedule(seen), range(8)) if d is not None)
    assert (Action.RETRAIN, None, ("28 days",)) == (made.action, made.incident_id, made.because)
    assert made == queries.decisions(reg, "m")[-1]
    assert schedule(seen) is None
    assert schedule(made.id) is not None


def test_a_decision_is_about_its_own_models_incident(reg: Registry, incident: Incident) -> None:
    """Another model's incident, or none at all, is refused."""
    with pytest.raises(IllegalMove, match="of model m, not other"):
        operations.record_decision(reg, model="other", incident_id=incident.id, action=Action.NOTHING, because=[],
                              actor="ann", now=make.NOW)  # fmt: skip
    with pytest.raises(NotFound, match="no incident 99"):
        make.decide(reg, 99)


def test_why_a_decision_waits_is_on_record_until_it_is_made(reg: Registry, incident: Incident) -> None:
    """The same reason again is no change; a decision ends the waiting."""
    operations.set_pending(reg, incident.id, "needs 200 more labels", now=make.NOW)
    before = make.everything(reg)
    operations.set_pending(reg, incident.id, "needs 200 more labels", now=make.NOW + make.DAY)
    assert before == make.everything(reg)
    assert "needs 200 more labels" == queries.incident(reg, incident.id).pending
    make.decide(reg, incident.id)
    assert "" == queries.incident(reg, incident.id).pending


def test_acknowledging_leaves_an_incident_open(reg: Registry, incident: Incident) -> None:
    """It still waits for its decision, and drift still goes to it; acknowledging again is no change."""
    assert (
        IncidentState.ACKNOWLEDGED
        is operations.acknowledge_incident(reg, incident.id, because="on it", actor="ann", now=make.NOW).state
    )
    before = make.everything(reg)
    operations.acknowledge_incident(reg, incident.id, because="me too", actor="bob", now=make.NOW)
    assert before == make.everything(reg)
    assert [incident.id] == [i.id for i in queries.undecided(reg)]
    assert () == ingest.ingest(reg, [make.window(2)], now=make.NOW).opened
    assert [incident.id] == [i.id for i in queries.incidents(reg, "m", state=IncidentState.ACKNOWLEDGED)]


def test_resolving_decides_what_nobody_decided(reg: Registry, incident: Incident) -> None:
    """No incident ends without a decision: resolved by hand, it is to do nothing, because of the resolution."""
    resolved = operations.resolve_incident(reg, incident.id, because="a holiday", actor="ann", now=make.NOW)
    assert (IncidentState.RESOLVED, "by ann: a holiday", make.NOW) == (
        resolved.state,
        resolved.resolution,
        resolved.resolved_at,
    )
    (decision,) = queries.decisions(reg)
    assert (Action.NOTHING, ("by ann: a holiday",), "ann") == (decision.action, decision.because, decision.actor)


def test_resolving_keeps_the_decision_there_was(reg: Registry, incident: Incident) -> None:
    """Resolving again is no change, and a resolved incident cannot be acknowledged."""
    decision = make.decide(reg, incident.id, Action.REPAIR_DATA)
    resolved = operations.resolve_incident(reg, incident.id, because="repaired", actor="ann", now=make.NOW)
    before = make.everything(reg)
    assert resolved == operations.resolve_incident(reg, incident.id, because="again", actor="bob", now=make.NOW)
    assert before == make.everything(reg)
    assert [decision] == queries.decisions(reg)
    with pytest.raises(IllegalMove, match="resolved: by ann: repaired"):
        operations.acknowledge_incident(reg, incident.id, because="on it", actor="ann", now=make.NOW)


def test_a_reason_by_hand_is_not_taken_for_one_of_the_program(reg: Registry, incident: Incident) -> None:
    """The words of an ending that drift reopens, or that promoted nothing, are words of a person here."""
    operations.resolve_incident(reg, incident.id, because="retrain failed: so we stop", actor="ann", now=make.NOW)
    (ended,) = queries.incidents(reg)
    assert ("resolved", "by ann: retrain failed: so we stop") == (ended.displayed_state, ended.resolution)


@pytest.mark.parametrize("because", ["", "  ", "\n"])
def test_by_hand_there_is_a_reason(reg: Registry, incident: Incident, because: str) -> None:
    """Without one nothing is written."""
    before = make.everything(reg)
    for operation in (operations.acknowledge_incident, operations.resolve_incident):
        with pytest.raises(IllegalMove, match="a reason is needed"):
            operation(reg, incident.id, because=because, actor="ann", now=make.NOW)
    assert before == make.everything(reg)
