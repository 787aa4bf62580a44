"""The life of an incident between its opening and its resolution, as window after window comes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa

from features.window import UTC
from monitors.report import Finding, Report, Signal, Verdict
from registry import chain, moves_incidents, outbox, rows, tables
from registry.records import Decision, Incident, IncidentState


class Change(Enum):
    """What a window did to an incident."""

    OPENED = "opened"
    UPDATED = "updated"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Rules:
    """When an episode begins and ends. *ignore*: signals that open none; *clear_after*: steady windows that end it."""

    ignore: frozenset[str]
    clear_after: int
    now: datetime


def observe(c: sa.Connection, signal: Signal, reports: Sequence[Report], rules: Rules) -> dict[int, Change]:
    """Show *reports* (one window end of one version, a report a segment and stage) to the episode of *signal*.

    Drift in any segment is drift; it is steady only if the report of all traffic says so.
    """
    incident = _open_episode(c, reports[0], signal)
    evidence = [_evidence(r, f) for r in reports for f in r.drifted() if f.signal is signal]
    if incident is None:
        if not evidence or signal.value in rules.ignore:
            return {}
        return {_begin(c, signal, reports[0], evidence, rules.now): Change.OPENED}
    if evidence:
        return _attach(c, incident, reports[0].window_end, evidence)
    if any(_steady(r, signal) for r in reports):
        return _count_steady(c, incident, reports[0].window_end, rules)
    return {}


def _open_episode(c: sa.Connection, report: Report, signal: Signal) -> Incident | None:
    t = tables.incidents.c
    live = t.state != IncidentState.RESOLVED.value
    return rows.one(c, Incident, t.model == report.model, t.version == report.version, t.signal == signal.value, live)


def _begin(c: sa.Connection, signal: Signal, report: Report, evidence: list[dict[str, Any]], now: datetime) -> int:
    number: int = rows.insert(c, tables.incidents, model=report.model, version=report.version, signal=signal,
                              state=IncidentState.OPEN, opened_at=report.window_end, last_seen=report.window_end,
                              windows=1, evidence=evidence, judged_until=report.window_end)  # fmt: skip
    away = sorted({e["variable"] for e in evidence})
    details: dict[str, chain.Detail] = {"version": report.version, "signal": signal.value, "variables": away}
    line = chain.Line(now, chain.SYSTEM, "incident.opened", report.model, f"incident {number}", details)
    entry = chain.append(c, line)
    incident = moves_incidents.get_incident(c, number)
    outbox.tell(c, entry, {"incident": incident.model_dump(mode="json")})
    return number


def _attach(c: sa.Connection, incident: Incident, end: datetime, new: list[dict[str, Any]]) -> dict[int, Change]:
    """Add a drifted window, once however many segments and revisions of it come; keep the first and the newest."""
    if end < incident.last_seen:
        return {}
    kept = {_iso(incident.opened_at), _iso(end)}
    again = {(e["window_end"], e["stage"], e["segment"]) for e in new}
    evidence = [e for e in incident.evidence if e["window_end"] in kept]
    evidence = [e for e in evidence if (e["window_end"], e["stage"], e["segment"]) not in again] + new
    rows.update(c, tables.incidents, tables.incidents.c.id == incident.id, evidence=evidence, last_seen=end,
                windows=incident.windows + (end > incident.last_seen), steady=0, judged_until=end)  # fmt: skip
    return {incident.id: Change.UPDATED}


def _count_steady(c: sa.Connection, incident: Incident, end: datetime, rules: Rules) -> dict[int, Change]:
    t = tables.incidents.c
    steady, until = c.execute(sa.select(t.steady, t.judged_until).where(t.id == incident.id)).one()
    if end <= until:
        return {}
    rows.update(c, tables.incidents, t.id == incident.id, steady=steady + 1, judged_until=end)
    decided = rows.one(c, Decision, tables.decisions.c.incident_id == incident.id) is not None
    if not decided or steady + 1 < rules.clear_after:
        return {}
    moves_incidents.close(c, incident, resolution="steady again", actor=chain.SYSTEM, now=rules.now)
    return {incident.id: Change.RESOLVED}


def _steady(report: Report, signal: Signal) -> bool:
    return report.segment == "" and any(f.signal is signal and f.verdict is Verdict.STEADY for f in report.findings)


def _evidence(report: Report, finding: Finding) -> dict[str, Any]:
    where = {"segment": report.segment, "stage": report.stage.value, "window_start": _iso(report.window_start),
             "window_end": _iso(report.window_end), "report": report.digest}  # fmt: skip
    return {**finding.model_dump(mode="json"), **where}


def _iso(when: datetime) -> str:
    return when.astimezone(UTC).isoformat()
