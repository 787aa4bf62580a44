"""Lookups by key in the caller's transaction: a record by its id, or NotFound with what to do about it.

Below the operations and the queries, so that both read a row in the same way and neither imports the other.
"""

from __future__ import annotations

import hashlib
from typing import TypeVar

import sqlalchemy as sa

from features.errors import ArtifactError, NotFound
from monitors.baseline.baseline import Baseline
from registry.database import mapping, tables
from registry.records import Check, Comparison, Decision, Delivery, Incident, IncidentState, Record, RetrainRun, Version

R = TypeVar("R", bound=Record)
MOST = 2**63 - 1
"""The largest number of a row: drivers raise errors of their own about what no database could hold."""


def incident(c: sa.Connection, incident_id: int) -> Incident:
    """Return an incident; NotFound if there is none of this id."""
    return _by_id(c, Incident, incident_id, "incident", hint="`leeway incidents --all` lists them")


def decision(c: sa.Connection, decision_id: int) -> Decision:
    """Return a decision; NotFound if there is none of this id."""
    return _by_id(c, Decision, decision_id, "decision", hint="`leeway retrain` makes one")


def decision_about(c: sa.Connection, incident_id: int) -> Decision | None:
    """Return the newest decision about an incident, None while it waits for one."""
    made = mapping.matching(c, Decision, "revision", incident_id=incident_id)
    return made[-1] if made else None


def open_incidents(c: sa.Connection, model: str) -> list[Incident]:
    """Return the incidents of a model that are not resolved, by number."""
    t = tables.incidents.c
    live = mapping.select(Incident, t.model == model, t.state != IncidentState.RESOLVED.value)
    return mapping.fetch(c, Incident, live.order_by(t.id))


def run(c: sa.Connection, run_id: int) -> RetrainRun:
    """Return a retrain run; NotFound if there is none of this id."""
    return _by_id(c, RetrainRun, run_id, "run")


def checks(c: sa.Connection, run_id: int) -> list[Check]:
    """Return the checks of a run's gate, in the order they were recorded."""
    return mapping.matching(c, Check, "id", run_id=run_id)


def comparisons(c: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Comparison]:
    """Return comparisons of versions, in the order they were made."""
    return mapping.fetch(c, Comparison, mapping.select(Comparison, *where).order_by(tables.comparisons.c.id))


def delivery(c: sa.Connection, delivery_id: int) -> Delivery:
    """Return a delivery; NotFound if there is none of this id."""
    return _by_id(c, Delivery, delivery_id, "delivery", hint="`leeway alerts list` lists them")


def version(c: sa.Connection, model: str, version: str) -> Version:
    """Return a version of a model; NotFound, with the names of those there are, if there is none of this name."""
    t = tables.versions.c
    row = next(iter(mapping.matching(c, Version, "version", model=model, version=version)), None)
    if row is None:
        names = c.scalars(sa.select(t.version).where(t.model == model)).all()
        msg = f"model {model} has no version {version}"
        raise NotFound(msg, hint=f"it has {', '.join(names) or 'none yet'}")
    return row


def baseline(c: sa.Connection, digest: str) -> Baseline:
    """Return a baseline by its sha256: see :func:`baseline_text`."""
    return Baseline.model_validate_json(baseline_text(c, digest))


def baseline_text(c: sa.Connection, digest: str) -> str:
    """Return a baseline's canonical JSON as it was stored.

    Raises
    ------
    NotFound
        There is no baseline of this digest.
    ArtifactError
        The text in the database is not what was stored: its sha256 differs.
    """
    text: str | None = c.scalar(sa.select(tables.baselines.c.content).where(tables.baselines.c.digest == digest))
    if text is None:
        msg = f"there is no baseline {digest[:12]}"
        raise NotFound(msg)
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        msg = f"baseline {digest[:12]} is not what was stored: its sha256 differs"
        raise ArtifactError(msg, hint="restore the database from a backup, and find out who altered it")
    return text


def baseline_digests(c: sa.Connection, model: str, version: str) -> list[str]:
    """Return the sha256 of each revision of a version's baseline, the first one first; none before it has any."""
    t = tables.baselines.c
    of_version = sa.select(t.digest).where(t.model == model, t.version == version).order_by(t.revision)
    return list(c.scalars(of_version))


def _by_id(c: sa.Connection, record: type[R], number: int, noun: str, hint: str = "") -> R:
    row = next(iter(mapping.matching(c, record, "id", id=number)), None) if 0 < number <= MOST else None
    if row is None:
        msg = f"there is no {noun} {number}"
        raise NotFound(msg, hint=hint)
    return row
