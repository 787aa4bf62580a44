"""Window reports as rows: which are new, and each as the newest revision of its window."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from monitors.finding import Signal, Stage, Verdict
from monitors.report import Report
from registry.audit_log import chain
from registry.database import mapping, tables
from registry.incidents import incident_rules

_T = tables.window_reports.c
_WINDOW = ("model", "version", "segment", "stage", "window_start", "window_end")


class StoredReport(NamedTuple):
    """A report that was stored as *revision* of its window, with its verdict on each signal.

    *before* are the verdicts of the revision before it; None where there was none.
    """

    report: Report
    digest: str
    revision: int
    before: Mapping[Signal, Verdict] | None
    verdicts: Mapping[Signal, Verdict]


def is_known(c: sa.Connection, report: Report) -> bool:
    """Return whether a revision of the report's window with the same counts is stored, whatever its findings are."""
    same = _same_window(report) & (_T.evidence == report.evidence_digest)
    return bool(c.scalar(sa.select(sa.exists().where(same))))


def unknown(c: sa.Connection, reports: Iterable[Report]) -> list[Report]:
    """Return the reports that are not known, each once."""
    once: dict[str, Report] = {}
    for report in reports:
        once.setdefault(report.evidence_digest, report)
    return [r for r in once.values() if not is_known(c, r)]


def newest_ends(c: sa.Connection, model: str, version: str) -> dict[Stage, datetime]:
    """Return the end of the newest stored window of each stage of a version."""
    newest = sa.select(_T.stage, sa.func.max(_T.window_end).label("end"))
    mine = (_T.model == model) & (_T.version == version) & _T.latest
    return {Stage(row.stage): row.end for row in c.execute(newest.where(mine).group_by(_T.stage))}


def store(c: sa.Connection, reports: Iterable[Report], now: datetime) -> list[StoredReport]:
    """Store *reports*, oldest window first, and log how many.

    One that equals the newest revision of its window, findings included, is left out.
    """
    ordered = sorted(reports, key=lambda r: (r.window_end, *r.key))
    stored = [one for report in ordered if (one := _store(c, report, now))]
    _log(c, stored, now)
    return stored


def _store(c: sa.Connection, report: Report, now: datetime) -> StoredReport | None:
    """Store *report* as the newest revision of its window; None if the newest is just the same, findings included."""
    window, digest, verdicts = _same_window(report), report.digest, incident_rules.signal_verdicts(report)
    newest = c.execute(sa.select(_T.digest, _T.revision, _T.signals).where(window, _T.latest)).one_or_none()
    if newest is not None and newest.digest == digest:
        return None
    revision = 1 + (newest.revision if newest else 0)
    if newest is not None:
        mapping.update(c, tables.window_reports, window, _T.latest, latest=False)
    mapping.insert(
        c,
        tables.window_reports,
        **report.model_dump(include={*_WINDOW, "rows"}),
        verdict=report.verdict,
        digest=digest,
        revision=revision,
        latest=True,
        evidence=report.evidence_digest,
        signals={signal.value: verdict.value for signal, verdict in verdicts.items()},
        report=report.model_dump(mode="json"),
        created_at=now,
    )
    before = {Signal(s): Verdict(v) for s, v in newest.signals.items()} if newest else None
    return StoredReport(report, digest, revision, before, verdicts)


def _same_window(report: Report) -> sa.ColumnElement[bool]:
    return sa.and_(*(_T[name] == value for name, value in zip(_WINDOW, report.key, strict=True)))


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
