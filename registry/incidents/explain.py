"""The explanation of an incident: its first and its newest window, the onset of each drift, and what was done."""

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

WINDOWS_BACK = 60
"""How many windows are read to find the onset of a drift; most drifts are younger."""
MORE_WINDOWS_BACK = 400
"""How many are read where :data:`WINDOWS_BACK` do not reach back to the onset."""
_T = tables.window_reports.c


@dataclass(frozen=True)
class IncidentExplanation:
    """An incident with the explanations of its *first* and its *newest* window of drift, which may be the same.

    *log* are the lines of the audit log about it, oldest first.
    """

    incident: Incident
    decision: Decision | None
    first: WindowExplanation
    newest: WindowExplanation
    log: tuple[AuditEntry, ...]


class WindowVerdict(NamedTuple):
    """The verdict of one window of one segment on a signal."""

    end: datetime
    stage: Stage
    segment: str
    verdict: Verdict


def explain(
    reg: Registry, incident_id: int, policies: Mapping[str, MonitorPolicy] | None = None
) -> IncidentExplanation:
    """Return the explanation of an incident.

    Parameters
    ----------
    policies
        The monitoring policy of each model; its settings are in the explanation only where windows were judged by it.

    Raises
    ------
    NotFound
        There is no such incident, or its windows are not stored any more.
    """
    incident = queries.incident(reg, incident_id)
    policy = (policies or {}).get(incident.model)
    first = _window_explanation(reg, incident, policy, incident.since)
    newest = (
        first
        if incident.last_seen == incident.since
        else _window_explanation(reg, incident, policy, incident.last_seen)
    )
    return IncidentExplanation(incident, queries.decision_of(reg, incident_id), first, newest, log(reg, incident))


def _window_explanation(
    reg: Registry, incident: Incident, policy: MonitorPolicy | None, end: datetime
) -> WindowExplanation:
    """Return the explanation of an incident's windows that end at *end*, with the onset of each drift."""
    stored = queries.windows(reg, incident.model, version=incident.version, since=end, until=end)
    if not stored:
        msg = f"no window of {incident.model} {incident.version} that ends at {end.isoformat()} is stored"
        raise NotFound(msg, hint=f"incident {incident.id} cannot be explained without it")
    reports = [Report.model_validate(row.report) for row in stored]
    window = explanation.explain_window(queries.baseline(reg, reports[0].baseline), reports, policy)
    return explanation.with_onsets(window, _onsets(reg, window))


def _onsets(reg: Registry, window: WindowExplanation) -> dict[onset.Key, onset.Onset]:
    """Return the onset of each drift in an explanation, as far back as :data:`MORE_WINDOWS_BACK` windows."""
    onsets: dict[onset.Key, onset.Onset] = {}
    for stage, segment in dict.fromkeys((m.stage, m.segment) for m in window.drifted):
        wanted = {m.key for m in window.drifted if (m.stage, m.segment) == (stage, segment)}
        for limit in (WINDOWS_BACK, MORE_WINDOWS_BACK):
            stored = queries.windows(reg, window.model, version=window.version, segment=segment, stage=stage,
                                     until=window.end, limit=limit)  # fmt: skip
            onsets |= onset.onsets(Report.model_validate(row.report) for row in stored)
            if wanted <= onsets.keys() or len(stored) < limit:
                break
    return onsets


def log(reg: Registry, incident: Incident) -> tuple[AuditEntry, ...]:
    """Return the audit log's lines about one incident, oldest first."""
    t = tables.audit_log.c
    mine = mapping.select(AuditEntry, t.model == incident.model, t.subject == f"incident {incident.id}")
    with reg.read() as c:
        return tuple(mapping.fetch(c, AuditEntry, mine.order_by(t.seq)))


def window_verdicts(reg: Registry, incident: Incident, since: datetime, until: datetime) -> list[WindowVerdict]:
    """Return the verdicts on an incident's signal of windows that end in [since, until], by time, stage and segment."""
    verdict = _T.signals[incident.signal.value].as_string().label("signal_verdict")
    mine = (_T.model == incident.model) & (_T.version == incident.version) & _T.latest
    statement = sa.select(_T.window_end, _T.stage, _T.segment, verdict).where(
        mine, _T.window_end >= since, _T.window_end <= until, verdict.is_not(None)
    )
    with reg.read() as c:
        ordered = c.execute(statement.order_by(_T.window_end, _T.stage, _T.segment))
        return [
            WindowVerdict(row.window_end, Stage(row.stage), row.segment, Verdict(row.signal_verdict)) for row in ordered
        ]
