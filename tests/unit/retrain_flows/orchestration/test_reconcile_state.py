"""The digest of what a reconcile would act on: equal while another one could do nothing else, and different after."""

from __future__ import annotations

from monitors.finding import Stage, Verdict
from registry import operations
from registry.incidents import ingest
from registry.records import Action
from retrain_flows import reconcile
from retrain_flows.data.workspace import Workspace
from retrain_flows.orchestration import reconcile_state
from tests.support import trained_model as world
from tests.unit.retrain_flows.conftest import Make


def digest(ws: Workspace, policy: str = "") -> str:
    """Return the digest."""
    return reconcile_state.digest(ws.registry, "m", policy)


def test_with_nothing_to_do_it_is_empty(ws: Workspace) -> None:
    """No incident, no decision."""
    assert "" == digest(ws)


def test_a_deferral_leaves_it_as_it_is_and_a_window_does_not(make: Make) -> None:
    """A reconcile that only writes why it waits is not repeated; one after a later window is."""
    ws = make(min_rows=100_000)
    world.drift(ws)
    before = digest(ws)
    (outcome,) = reconcile.reconcile(ws, now=world.NOW, as_of=world.AS_OF)
    assert outcome.result.startswith("waits: ")
    assert before == digest(ws) != ""
    later = world.report(world.AS_OF, verdict=Verdict.STEADY).model_copy(update={"stage": Stage.INPUTS})
    ingest.ingest(ws.registry, [later], now=world.NOW)
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
