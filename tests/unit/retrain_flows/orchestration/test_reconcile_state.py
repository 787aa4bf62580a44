"""The digest of what a reconcile would act on: equal while another one could do nothing else, and different after."""

from __future__ import annotations

import pytest

from monitors.finding import Stage, Verdict
from registry import operations, queries
from registry.incidents import ingest
from registry.records import Action, RunState
from retrain_flows import reconcile, retrain
from retrain_flows.config import Gate, Schedule
from retrain_flows.data.workspace import Workspace
from retrain_flows.orchestration import reconcile_state
from retrain_flows.retrain import RetrainRequest
from tests.support import trained_model as world
from tests.unit.retrain_flows.conftest import Make


def digest(ws: Workspace, policy: str = "") -> str:
    """Return the digest."""
    return reconcile_state.digest(ws.registry, "m", policy, retrain=ws.retrain)


def test_with_nothing_to_do_it_is_empty(ws: Workspace) -> None:
    """No incident, no decision."""
    assert "" == digest(ws)


@pytest.mark.parametrize("section", [{"cron": "0 6 * * 1"}, {"interval": "7d"}, {"new_labels": 10}])
def test_a_schedule_is_looked_at_with_each_window(make: Make, section: dict[str, object]) -> None:
    """Without any incident; else no scheduled retrain would ever begin by itself."""
    ws = make(schedule=Schedule.model_validate(section))
    before = digest(ws)
    assert "" != before == digest(ws)
    steady(ws)
    assert before != digest(ws)
    assert "" == reconcile_state.digest(ws.registry, "m")


def test_what_was_decided_is_looked_at_again_while_it_may_be_otherwise(make: Make) -> None:
    """An incident with a decision, a held run, a promotion that is watched: windows that come may change each."""
    ws = make(gate=Gate(min_rows=100_000))
    world.drift(ws)
    (outcome,) = reconcile.reconcile(ws, now=world.NOW, as_of=world.AS_OF)
    assert outcome.result.startswith("retrain held")
    before = digest(ws)
    steady(ws)
    assert "" != before != digest(ws)
    (run,) = queries.runs(ws.registry, "m")
    operations.finish_run(ws.registry, run.id, state=RunState.REJECTED, reason="x", now=world.NOW)
    assert "" != digest(ws)

    promoting = make()
    by_hand = operations.record_decision(ws.registry, model="m", incident_id=None, action=Action.RETRAIN,
                                         because=("x",), actor="ann", now=world.NOW)  # fmt: skip
    retrain.run(promoting, RetrainRequest(by_hand, world.AS_OF, world.NOW))
    assert [] == queries.undecided(ws.registry, "m")
    assert "" != digest(promoting)


def steady(ws: Workspace) -> None:
    """Report a window without drift."""
    later = world.report(world.AS_OF, verdict=Verdict.STEADY).model_copy(update={"stage": Stage.INPUTS})
    ingest.ingest(ws.registry, [later], now=world.NOW)


def test_a_deferral_leaves_it_as_it_is_and_a_window_does_not(make: Make) -> None:
    """A reconcile that only writes why it waits is not repeated; one after a later window is."""
    ws = make(min_rows=100_000)
    world.drift(ws)
    before = digest(ws)
    (outcome,) = reconcile.reconcile(ws, now=world.NOW, as_of=world.AS_OF)
    assert outcome.result.startswith("waits: ")
    assert before == digest(ws) != ""
    steady(ws)
    assert before != digest(ws)


def test_a_change_of_settings_changes_it(ws: Workspace) -> None:
    """They decide too."""
    world.drift(ws)
    assert digest(ws, "a") != digest(ws, "b")


def test_a_decision_changes_it(ws: Workspace) -> None:
    """Also one by hand, which has to be carried out."""
    world.drift(ws)
    before = digest(ws)
    operations.record_decision(ws.registry, model="m", incident_id=None, action=Action.RETRAIN, because=("x",),
                               actor="ann", now=world.NOW)  # fmt: skip
    assert before != digest(ws)
