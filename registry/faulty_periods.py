"""Faulty periods: the stretches of event time of a model whose rows are not to be trained on, with their variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from features.schema import LABEL
from features.window import Windows
from monitors.finding import Signal, Verdict
from registry import acceptances, lookups
from registry.connection import Registry
from registry.database import mapping, tables
from registry.records import AcceptedAs, Incident

WHOLE_FEED = "*"
"""The variable of faults of the feed as a whole."""


@dataclass(frozen=True, slots=True)
class FaultyPeriod:
    """A stretch of event time under a data fault.

    Parameters
    ----------
    start, end
        From the start of the newest slice of the stretch's first window with the fault to the end of its last one, end
        excluded.
    variables
        The variables with the fault in any of these windows, sorted.
    incident_id
        The incident that says so.
    """

    start: datetime
    end: datetime
    variables: tuple[str, ...]
    incident_id: int


def faulty_periods(reg: Registry, model: str) -> list[FaultyPeriod]:
    """Return the periods of a model that are under a data fault, of all its versions, by incident and time.

    These are of data quality incidents, open or not, that nobody accepted as drift, and of incidents of drift that
    somebody accepted as a fault. Windows with a fault that are at most a window's length apart make one period. What is
    wrong with the feed as a whole, or with labels that stay away, is no period unless somebody accepted it as a fault:
    the rows that did come are right.
    """
    with reg.read() as c:
        accepted = acceptances.newest_by_incident(c, model)
        mine = mapping.matching(c, Incident, "id", model=model)
        incidents = [i for i in mine if i.windows and _is_fault(i, accepted.get(i.id))]
        schedules = {version: _schedule(c, model, version) for version in {i.version for i in incidents}}
        periods = list[FaultyPeriod]()
        for incident in incidents:
            windows = _faulty_windows(c, incident, of_rows=accepted.get(incident.id) is not AcceptedAs.FAULT)
            periods += _stretches(incident.id, windows, schedules[incident.version])
    return periods


class _FaultyWindow(NamedTuple):
    end: datetime
    variables: frozenset[str]


def _is_fault(incident: Incident, accepted_as: AcceptedAs | None) -> bool:
    if accepted_as is not None:
        return accepted_as is AcceptedAs.FAULT
    return incident.signal is Signal.QUALITY


def _faulty_windows(c: sa.Connection, incident: Incident, *, of_rows: bool) -> list[_FaultyWindow]:
    """Return the windows of an incident that drifted, by their end, with the variables that did.

    With *of_rows*, those with faults of the feed and of labels alone are left out. Stored findings are read as JSON: an
    incident may have a thousand windows.
    """
    t = tables.window_reports.c
    mine = (t.model == incident.model) & (t.version == incident.version) & t.latest
    inside = (t.window_end >= incident.since) & (t.window_end <= incident.last_seen)
    drifted = t.signals[incident.signal.value].as_string() == Verdict.DRIFT.value
    rows = c.execute(sa.select(t.window_end, t.report).where(mine, inside, drifted).order_by(t.window_end))
    left_out = {WHOLE_FEED, LABEL} if of_rows else set()
    named = [(row.window_end, _drifted_variables(row.report, incident.signal) - left_out) for row in rows]
    return [_FaultyWindow(end, frozenset(variables)) for end, variables in named if variables]


def _drifted_variables(report: dict[str, list[dict[str, object]]], signal: Signal) -> set[str]:
    """Return the variables with a finding of drift of *signal* in a stored report."""
    findings = (f for f in report["findings"] if f["signal"] == signal.value)
    return {str(f["variable"]) for f in findings if _verdict(f) == Verdict.DRIFT.value}


def _verdict(finding: dict[str, object]) -> object:
    sequential = finding["sequential"]
    return sequential["verdict"] if isinstance(sequential, dict) else finding["window_verdict"]


def _stretches(incident: int, windows: Sequence[_FaultyWindow], schedule: Windows | None) -> Iterator[FaultyPeriod]:
    """Yield a period for each run of windows whose ends are at most a window's length apart."""
    size, slide = (schedule.size, schedule.slide) if schedule else (timedelta(0), timedelta(0))
    run: list[_FaultyWindow] = []
    for window in windows:
        if run and window.end - run[-1].end > size:
            yield _period(incident, run, slide)
            run = []
        run.append(window)
    if run:
        yield _period(incident, run, slide)


def _period(incident: int, run: Sequence[_FaultyWindow], slide: timedelta) -> FaultyPeriod:
    variables = frozenset[str]().union(*(window.variables for window in run))
    return FaultyPeriod(run[0].end - slide, run[-1].end, tuple(sorted(variables)), incident)


def _schedule(c: sa.Connection, model: str, version: str) -> Windows | None:
    """Return the windows of a version; None where it has no baseline."""
    digest = lookups.version(c, model, version).baseline
    return None if digest is None else lookups.baseline(c, digest).events.windows
