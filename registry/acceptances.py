"""Acceptances: faults of a version accepted as drift, what an incident was made of, and how long a fault may last.

The newest acceptance of a variable and kind holds, so that one can be taken back. They belong to a version, as its
baseline does: what the next baseline was made from is nothing new to it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from monitors.finding import Signal
from monitors.quality.fault import kinds
from monitors.report import Report
from monitors.verdicts.window_verdict import Accepted
from registry.database import mapping, tables
from registry.records import Acceptance, AcceptedAs, Incident, IncidentState

DRIFT_KIND = "drift"
"""The kind of an incident of drift that was accepted as a fault."""


def of_version(c: sa.Connection, model: str, version: str) -> Accepted:
    """Return what is accepted as drift of a version, as (variable, kind)."""
    mine = mapping.matching(c, Acceptance, "id", model=model, version=version)
    newest = {(a.variable, a.kind): a.accepted_as for a in mine}
    return frozenset(key for key, accepted_as in newest.items() if accepted_as is AcceptedAs.DRIFT)


def newest_by_incident(c: sa.Connection, model: str) -> dict[int, AcceptedAs]:
    """Return what each incident of a model was accepted as last, by its number; those that were not are absent."""
    return {a.incident_id: a.accepted_as for a in mapping.matching(c, Acceptance, "id", model=model)}


def faults_of(c: sa.Connection, incident: Incident) -> list[tuple[str, str]]:
    """Return the (variable, kind) of everything that drifted in the windows of an incident, sorted.

    An incident of drift has the kind :data:`DRIFT_KIND`.
    """
    t = tables.window_reports.c
    mine = (t.model == incident.model) & (t.version == incident.version) & t.latest
    inside = (t.window_end >= incident.since) & (t.window_end <= incident.last_seen)
    reports = c.scalars(sa.select(t.report).where(mine, inside))
    stored = [f for report in reports for f in Report.model_validate(report).drifted() if f.signal is incident.signal]
    findings = [*stored, *(e.finding for e in incident.evidence)]
    if incident.signal is not Signal.QUALITY:
        return sorted({(f.variable, DRIFT_KIND) for f in findings})
    return sorted({(f.variable, kind) for f in findings for kind in kinds(f)})


def fault_outlasted(incident: Incident, now: datetime, patience: timedelta) -> bool:
    """Return whether an open data quality incident has lasted longer than *patience* by the event time *now*."""
    is_open = incident.state is not IncidentState.RESOLVED
    return is_open and incident.signal is Signal.QUALITY and now - incident.since > patience
