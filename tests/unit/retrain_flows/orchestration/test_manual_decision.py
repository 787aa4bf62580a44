"""A decision to retrain by hand: recorded with reason and actor, once for each source, and not where it cannot work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from features import errors
from registry import queries
from registry.records import Action
from retrain_flows.data.workspace import Workspace
from retrain_flows.orchestration import manual_decision
from tests.support import trained_model as world


def test_it_is_recorded_with_who_and_why(ws: Workspace) -> None:
    """Each call makes one."""
    first, second = (manual_decision.record(ws, reason="new prices", actor="ann", now=world.NOW) for _ in range(2))
    assert (Action.RETRAIN, None, ("new prices",), "ann") == (
        first.action, first.incident_id, first.because, first.actor,
    )  # fmt: skip
    assert first.id != second.id


def test_a_repeated_flow_run_makes_no_second_decision(ws: Workspace) -> None:
    """Prefect may start a run again that was cut short."""
    first, again, other = (
        manual_decision.record(ws, reason="x", actor="ann", now=world.NOW, source=f"flow run {n}") for n in (1, 1, 2)
    )
    assert first == again
    assert ("x", "flow run 2") == other.because


def test_nothing_is_recorded_where_no_retrain_is_possible(ws: Workspace) -> None:
    """Without a trainer."""
    before = queries.decisions(ws.registry, "m")
    with pytest.raises(errors.ProjectError, match="no trainer is configured"):
        manual_decision.record(replace(ws, retrain=None), reason="x", actor="ann", now=world.NOW)
    assert before == queries.decisions(ws.registry, "m")
