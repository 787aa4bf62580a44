"""Window reports as rows: which are new, and each as the newest revision of its window."""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from monitors.finding import Signal, Stage, Verdict
from monitors.report import Report
from registry.audit_log import chain
from registry.database import mapping, tables
from registry.incidents import incident_rules

_T = tables.window_reports.c
_WINDOW = ("model", "version", "segment", "stage", "window_start", "window_end")
WindowKey = tuple[str, str, str, str, datetime, datetime]
"""What makes a window the same window: the columns of ``_WINDOW``."""
WINDOWS_PER_STATEMENT = 100
"""Windows that one statement asks for; SQLite takes 32,766 values, each other database more."""


class StoredReport(NamedTuple):
    """A report that was stored as *revision* of its window, with its verdict on each signal.

    *before* are the verdicts of the revision before it; None where there was none.
    """

    report: Report
    digest: str
    revision: int
    before: Mapping[Signal, Verdict] | None
    verdicts: Mapping[Signal, Verdict]


class StoredVerdicts(NamedTuple):
    """The verdict on each signal of a stored window of one segment."""

    end: datetime
    stage: Stage
    segment: str
    verdicts: Mapping[Signal, Verdict]


def stored_evidence(c: sa.Connection, reports: Iterable[Report]) -> frozenset[str]:
    """Return the evidence digests of *reports* that a revision of their window is stored with, whatever it found."""
    return frozenset(
        row.evidence for some in _batches(reports) for row in c.execute(sa.select(_T.evidence).where(_is_any(some)))
    )


def unknown(c: sa.Connection, reports: Iterable[Report]) -> list[Report]:
    """Return the reports that are not known, each once."""
    once: dict[str, Report] = {}
    for report in reports:
        once.setdefault(report.evidence_digest, report)
    stored = stored_evidence(c, once.values())
    return [report for evidence, report in once.items() if evidence not in stored]


def newest_ends(c: sa.Connection, model: str, version: str) -> dict[Stage, datetime]:
    """Return the end of the newest stored window of each stage of a version."""
    newest = sa.select(_T.stage, sa.func.max(_T.window_end).label("end"))
    mine = (_T.model == model) & (_T.version == version) & _T.latest
    return {Stage(row.stage): row.end for row in c.execute(newest.where(mine).group_by(_T.stage))}


def verdicts_since(c: sa.Connection, model: str, version: str, since: datetime) -> list[StoredVerdicts]:
    """Return the verdicts of each stored window of a version that ends after *since*, by time."""
    columns = _T.window_end, _T.stage, _T.segment, _T.signals
    mine = (_T.model == model) & (_T.version == version) & _T.latest & (_T.window_end > since)
    rows = c.execute(sa.select(*columns).where(mine).order_by(_T.window_end, _T.stage, _T.segment))
    return [
        StoredVerdicts(row.window_end, Stage(row.stage), row.segment, _verdicts(row.signals)) for row in rows
    ]  # fmt: skip


def _verdicts(signals: Mapping[str, str]) -> dict[Signal, Verdict]:
    return {Signal(signal): Verdict(verdict) for signal, verdict in signals.items()}


def store(c: sa.Connection, reports: Iterable[Report], now: datetime) -> list[StoredReport]:
    """Store *reports*, oldest window first, and log how many.

    One that equals the newest revision of its window, findings included, is left out.
    """
    ordered = sorted(reports, key=lambda r: (r.window_end, *r.key))
    newest = _newest_revisions(c, ordered)
    stored, rows = list[StoredReport](), dict[WindowKey, dict[str, Any]]()
    for report in ordered:
        before = newest.get(report.key)
        if before is not None and before.digest == report.digest:
            continue
        if report.key in rows:  # the batch has two revisions of one window: the first has to be there to be followed
            mapping.insert_all(c, tables.window_reports, list(rows.values()))
            rows.clear()
        if before is not None:
            mapping.update(c, tables.window_reports, _is_any([report]), _T.latest, latest=False)
        one = _revision(report, before)
        newest[report.key] = _Revision(one.digest, one.revision, one.verdicts)
        rows[report.key] = _row(one, now)
        stored.append(one)
    mapping.insert_all(c, tables.window_reports, list(rows.values()))
    _log(c, stored, now)
    return stored


class _Revision(NamedTuple):
    """The newest revision of a window as it is stored."""

    digest: str
    revision: int
    verdicts: Mapping[Signal, Verdict]


def _newest_revisions(c: sa.Connection, reports: Iterable[Report]) -> dict[WindowKey, _Revision]:
    """Return the newest revision of the windows of *reports* that are stored."""
    columns = [*(_T[name] for name in _WINDOW), _T.digest, _T.revision, _T.signals]
    newest: dict[WindowKey, _Revision] = {}
    for some in _batches(reports):
        for row in c.execute(sa.select(*columns).where(_is_any(some), _T.latest)):
            window = row.model, row.version, row.segment, row.stage, row.window_start, row.window_end
            newest[window] = _Revision(row.digest, row.revision, _verdicts(row.signals))
    return newest


def _revision(report: Report, before: _Revision | None) -> StoredReport:
    verdicts, revision = incident_rules.signal_verdicts(report), 1 + (before.revision if before else 0)
    return StoredReport(report, report.digest, revision, before.verdicts if before else None, verdicts)


def _row(one: StoredReport, now: datetime) -> dict[str, Any]:
    """Return the columns of a report, which is the newest revision of its window."""
    report = one.report
    return {
        **report.model_dump(include={*_WINDOW, "rows"}),
        "verdict": report.verdict,
        "digest": one.digest,
        "revision": one.revision,
        "latest": True,
        "evidence": report.evidence_digest,
        "signals": {signal.value: verdict.value for signal, verdict in one.verdicts.items()},
        "report": report.model_dump(mode="json"),
        "created_at": now,
    }


def _batches(reports: Iterable[Report]) -> Iterator[list[Report]]:
    """Yield *reports* in as many parts as statements need: each window has six values in one."""
    remaining = iter(reports)
    while some := list(itertools.islice(remaining, WINDOWS_PER_STATEMENT)):
        yield some


def _is_any(reports: Iterable[Report]) -> sa.ColumnElement[bool]:
    """Return the condition that a row is of the window of one of *reports*."""
    return sa.tuple_(*(_T[name] for name in _WINDOW)).in_([report.key for report in reports])


def _log(c: sa.Connection, stored: Iterable[StoredReport], now: datetime) -> None:
    """Write one line a model: how many reports, and one digest over theirs, so that it says which."""
    by_model: dict[str, list[StoredReport]] = defaultdict(list)
    for one in stored:
        by_model[one.report.model].append(one)
    for model, reports in by_model.items():
        digest = hashlib.sha256("".join(sorted(r.digest for r in reports)).encode()).hexdigest()
        revised = sum(r.revision > 1 for r in reports)
        details: dict[str, chain.Detail] = {"reports": len(reports), "revised": revised, "digest": digest}
        chain.append(c, chain.Line(now, chain.SYSTEM, "reports.stored", model, f"{len(reports)} windows", details))
