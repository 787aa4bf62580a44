"""Response to an incident: revisions, what is waited for, retrains with their cost and trial, and how to undo it."""

from __future__ import annotations

import pytest

from monitors.finding import Signal
from registry import operations, queries
from registry.connection import Registry
from registry.records import AcceptedAs, Action, CheckResult, RunState
from registry.views import incident_response, retrain_record
from registry.views.incident_response import IncidentResponse
from tests.support import incident_world
from tests.support import response_world as world

RETRAIN_COMMAND = 'leeway rollback --model late --to {} --because "..."'


def response(reg: Registry, number: int = 1) -> IncidentResponse:
    """Return what was done about an incident."""
    return incident_response.read(reg, queries.incident(reg, number))


def test_each_revision_of_a_decision_is_there(reg: Registry) -> None:
    """Oldest first, with who and when; the newest step of a list is the same."""
    world.held(reg)
    shown = response(reg)

    assert [(1, Action.NOTHING), (2, Action.RETRAIN)] == [(d.revision, d.action) for d in shown.decisions]
    newest = incident_response.newest(reg, queries.incidents(reg, "late"))
    assert (shown.decisions[-1], shown.waits_for) == (newest[1].decision, newest[1].waits_for)
    assert (None, incident_response.UNDECIDED) == (newest[2].decision, newest[2].waits_for)


def test_a_held_run_says_what_it_waits_for(reg: Registry) -> None:
    """Labels; its cost is the time until it was held, and its candidate has data, loss and a look."""
    world.held(reg)
    shown = response(reg)

    assert shown.waits_for.startswith("labels: run 1 is held, v2 answers in shadow until it is better or worse")
    (record,) = shown.retrains
    (candidate,) = record.candidates
    assert (90.0, "v2", None) == (record.seconds, record.challenger, record.effect)
    assert candidate.training_data.startswith("1200 rows (sha256 0123456789abcdef)")
    assert ("mean loss 0.4600 against 0.5000", 1200) == (candidate.loss, candidate.version and candidate.version.rows)
    assert not [step for step in shown.undo if "rollback" in step.command]
    assert [(1, 10, 500, "undecided")] == [(k.number, k.slices, k.rows, k.outcome) for k in record.looks]


def test_a_run_that_waits_for_approval_names_both_answers(reg: Registry) -> None:
    """It waits for somebody, not for labels; its cost is still the time until it was first held."""
    world.awaiting(reg)
    shown = response(reg)

    assert shown.waits_for == (
        'approval of v2, which passed the gate of run 1: `leeway promote v2 --model late --because "..."` approves it, '
        '`leeway refuse v2 --model late --because "..."` refuses it'
    )
    assert [90.0] == [record.seconds for record in shown.retrains]
    assert shown.waits_for == incident_response.newest(reg, queries.incidents(reg, "late"))[1].waits_for


def test_what_waits_for_approval_comes_before_a_later_run_that_promoted_nothing(reg: Registry) -> None:
    """Somebody is still asked."""
    world.awaiting(reg)
    first = response(reg).decisions[-1]
    again = operations.record_decision(reg, model="late", incident_id=1, action=Action.RETRAIN, because=("more rows",),
                                       actor="leeway", now=world.DRIFTED + 9 * world.DAY, revises=first.id)  # fmt: skip
    run = operations.start_run(reg, decision_id=again.id, as_of=world.DRIFTED, flow_run=None, now=again.made_at)
    operations.finish_run(reg, run.id, state=RunState.REJECTED, reason="worse", now=again.made_at)

    assert response(reg).waits_for.startswith("approval of v2, which passed the gate of run 1")


def test_a_promotion_can_be_undone_and_is_shown_at_all_incidents_that_it_ended(reg: Registry) -> None:
    """At the one that it was for as the end of its run, and at the other as what replaced its version."""
    promotion = world.watched(reg, CheckResult.PASS)
    own, other = response(reg, 1), response(reg, 2)

    assert ("", None) == (own.waits_for, own.ended_by)
    assert own.retrains[0].effect is not None
    assert promotion == own.retrains[0].effect.promotion
    assert ((), promotion) == (other.retrains, other.ended_by and other.ended_by.promotion)
    for shown in (own, other):
        assert RETRAIN_COMMAND.format("v1") == shown.undo[0].command


def test_a_rollback_can_be_undone_too(reg: Registry) -> None:
    """By the same command, to the version that was rolled back; not once another promotion followed."""
    world.rolled_back(reg)

    assert RETRAIN_COMMAND.format("v2") == response(reg).undo[0].command
    operations.rollback(reg, model="late", expected_generation=3, to_version="v2", actor="ann", reason="no harm",
                        effective_at=world.DRIFTED + 30 * world.DAY, now=world.DRIFTED + 30 * world.DAY)  # fmt: skip
    assert not [step for step in response(reg).undo if "rollback" in step.command]


@pytest.mark.parametrize("accepted", list(AcceptedAs))
def test_what_an_incident_is_can_be_said_otherwise(reg: Registry, accepted: AcceptedAs) -> None:
    """The command for the other reading of it, whatever it was accepted as last."""
    world.held(reg)
    operations.accept_incident(reg, 1, accepted_as=accepted, because="seen", actor="ann", now=world.DRIFTED)
    shown = response(reg)
    other = "fault" if accepted is AcceptedAs.DRIFT else "drift"

    assert accepted == shown.accepted_as
    assert f'leeway incidents accept 1 --as {other} --because "..."' == shown.undo[-1].command


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (Action.REPAIR_DATA, "if they are right, `leeway incidents accept 1 --as drift`"),
        (Action.SUGGEST, "somebody who starts `leeway retrain --model late`"),
        (Action.NOTHING, "steady windows; until then the decision is revised"),
        (Action.RETRAIN, "the next decision run, which starts the retrain"),
    ],
)
def test_each_decision_without_a_run_waits_for_something(reg: Registry, action: Action, words: str) -> None:
    """In words that name the command where a person is waited for."""
    incident_world.begin(reg)
    incident_world.drift(reg)
    operations.record_decision(reg, model="late", incident_id=1, action=action, because=("x",), actor="ann",
                               now=world.DRIFTED)  # fmt: skip

    assert words in response(reg).waits_for
    assert Signal.FEATURE is queries.incident(reg, 1).signal
    operations.set_pending(reg, 1, "labels are due until noon", now=world.DRIFTED)
    assert "labels are due until noon" == response(reg).waits_for


def test_a_rejected_retrain_waits_for_the_next(reg: Registry) -> None:
    """The incident stays open; the newest runs can be read alone."""
    world.rejected(reg)

    assert response(reg).waits_for.startswith("the next retrain: none begins before retrain.cool_down is over")
    assert () == retrain_record.records(reg, "late", limit=0)
    assert [1] == [record.run.id for record in retrain_record.records(reg, "late", limit=5)]
