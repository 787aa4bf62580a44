"""Held runs when the champion changes: their candidates were compared with the one before, so they end with it."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from registry.database import mapping, tables
from registry.operations.runs import finish
from registry.records import OTHER_CHAMPION, SUPERSEDED, RetrainRun, RunState


def end_held(c: sa.Connection, model: str, champion: str, *, actor: str, now: datetime) -> None:
    """End the held runs of a model in the transaction that makes *champion* its champion; that version's own, too."""
    t = tables.retrain_runs.c
    held = mapping.select(RetrainRun, t.model == model, t.state == RunState.HELD.value).order_by(t.id)
    for run in mapping.fetch(c, RetrainRun, held):
        own = run.challenger == champion
        reason = f"{SUPERSEDED}{champion} became champion before its run had ended" if own else OTHER_CHAMPION
        finish(c, run, RunState.REJECTED, reason, actor, now)
