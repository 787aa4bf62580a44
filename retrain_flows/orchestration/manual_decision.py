"""Decisions to retrain by hand, by `leeway retrain` or on Prefect's pages; each is on record with a reason."""

from __future__ import annotations

from datetime import datetime

from registry import operations
from registry.records import Action, Decision
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import retrain_data


def record(ws: Workspace, *, reason: str, actor: str, now: datetime, source: str = "") -> Decision:
    """Record a decision to retrain, and return it.

    Parameters
    ----------
    ws
        The model's workspace.
    reason
        Why, for the audit log.
    actor
        Who decided.
    now
        The time that is recorded.
    source
        Where the decision was made, recorded as a second reason: a repeated call with the same source returns the
        decision that the first one recorded. "" for none.

    Raises
    ------
    NotFound
        The model has no champion.
    ProjectError
        No trainer is configured.
    """
    retrain_data.champion_of(ws.registry, ws.model)  # raises before anything is recorded
    _ = ws.trainers
    because = (reason, source) if source else (reason,)
    return operations.record_decision(
        ws.registry, model=ws.model, incident_id=None, action=Action.RETRAIN, because=because, actor=actor, now=now,
        once=source,
    )  # fmt: skip
