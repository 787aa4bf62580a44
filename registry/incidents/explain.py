"""Fetches what an incident is told from: its first and its newest window, how each drift began, and what was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from features.errors import NotFound
from monitors.config import MonitorPolicy
from monitors.explain import explanation, onset
from monitors.explain.explanation import WindowExplanation
from monitors.finding import Stage, Verdict
from monitors.report import Report
from registry import queries
from registry.connection import Registry
from registry.database import mapping, tables
from registry.records import AuditEntry, Decision, Incident

LOOKS = (60, 400)
"""How many windows to look back for the beginning of a drift: most are young, and more are read where they are not."""
_T = tables.window_reports.c


@dataclass(frozen=True)
class IncidentExplanation:
    """An incident with the accounts of its *first* and its *newest* window of drift, which may be the same.

    *log* is what the audit log says happened to it, oldest first.
    """

    incident: Incident
    decision: Decision | None
    first: WindowExplanation
    newest: WindowExplanation
    log: tuple[AuditEntry, ...]


class WindowVerdict(NamedTuple):
    """What one window of one segment said of a signal."""

    end: datetime
    stage: Stage
    segment: str
    verdict: Verdict


def explain(
    reg: Registry, incident_id: int, policies: Mapping[str, MonitorPolicy] | None = None
) -> IncidentExplanation:
    """Return what is known of an incident; NotFound if there is none, or its windows are not stored any more.

    *policies* are those of each model: what a policy says is told only where windows were judged by it.
    """
    incident = queries.incident(reg, incident_id)
    policy = (policies or {}).get(incident.model)
    first = _account(reg, incident, policy, incident.since)
    newest = first if incident.last_seen == incident.since else _account(reg, incident, policy, incident.last_seen)
    return IncidentExplanation(incident, queries.decision_of(reg, incident_id), first, newest, log(reg, incident))


def _account(reg: Registry, incident: Incident, policy: MonitorPolicy | None, end: datetime) -> WindowExplanation:
    stored = queries.windows(reg, incident.model, version=incident.version, since=end, until=end)
    if not stored:
        msg = f"no window of {incident.model} {incident.version} that ends at {end.isoformat()} is stored"
        raise NotFound(msg, hint=f"incident {incident.id} cannot be explained without it")
    reports = [Report.model_validate(row.report) for row in stored]
    told = explanation.explain_window(queries.baseline(reg, reports[0].baseline), reports, policy)
    return explanation.with_onsets(told, _alarms(reg, told))


def _alarms(reg: Registry, told: WindowExplanation) -> dict[onset.Key, onset.Onset]:
    """Return how what an account tells of began, as far back as :data:`LOOKS` goes."""
    found: dict[onset.Key, onset.Onset] = {}
    for stage, segment in dict.fromkeys((m.stage, m.segment) for m in told.drifted):
        wanted = {m.key for m in told.drifted if (m.stage, m.segment) == (stage, segment)}
        for look in LOOKS:
            stored = queries.windows(reg, told.model, version=told.version, segment=segment, stage=stage,
                                     until=told.end, limit=look)  # fmt: skip
            found |= onset.onsets(Report.model_validate(row.report) for row in stored)
            if wanted <= found.keys() or len(stored) < look:
                break
    return found


def log(reg: Registry, incident: Incident) -> tuple[AuditEntry, ...]:
    """Return the audit log's lines about one incident, oldest first."""
    t = tables.audit_log.c
    mine = mapping.select(AuditEntry, t.model == incident.model, t.subject == f"incident {incident.id}")
    with reg.read() as c:
        return tuple(mapping.fetch(c, AuditEntry, mine.order_by(t.seq)))


def window_verdicts(reg: Registry, incident: Incident, since: datetime, until: datetime) -> list[WindowVerdict]:
    """Return what every window that ends in [since, until] said of an incident's signal, by time, stage and segment."""
    told = _T.signals[incident.signal.value].as_string().label("told")
    mine = (_T.model == incident.model) & (_T.version == incident.version) & _T.latest
    found = sa.select(_T.window_end, _T.stage, _T.segment, told).where(
        mine, _T.window_end >= since, _T.window_end <= until, told.is_not(None)
    )
    with reg.read() as c:
        ordered = c.execute(found.order_by(_T.window_end, _T.stage, _T.segment))
        return [WindowVerdict(row.window_end, Stage(row.stage), row.segment, Verdict(row.told)) for row in ordered]
