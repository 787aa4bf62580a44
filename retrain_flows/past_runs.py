"""Past runs of a model: when it was last retrained, or trained at all, in event time."""

from __future__ import annotations

from datetime import datetime

from registry import queries
from registry.records import SUPERSEDED, RetrainRun, RunState
from retrain_flows.data.workspace import Workspace


def last_retrain(ws: Workspace) -> tuple[datetime | None, datetime | None]:
    """Return the event times of the last run that promoted or rejected a challenger, and of a later one that failed.

    A held run and one that was superseded have decided nothing.
    """
    runs = queries.runs(ws.registry, ws.model)
    made = max((r.as_of for r in runs if r.state is RunState.PROMOTED or _is_refused(r)), default=None)
    failed = max((r.as_of for r in runs if r.state is RunState.FAILED), default=None)
    return made, failed if failed is not None and (made is None or failed > made) else None


def _is_refused(run: RetrainRun) -> bool:
    return run.state is RunState.REJECTED and not run.reason.startswith(SUPERSEDED)


def last_training(ws: Workspace) -> datetime | None:
    """Return the event time of the last run that trained a challenger, whatever became of it."""
    return max((r.as_of for r in queries.runs(ws.registry, ws.model) if r.state is not RunState.FAILED), default=None)
