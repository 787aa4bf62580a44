"""Window reports become rows and incidents: the same report any number of times, with one outcome."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from monitors.report import Report, Signal
from registry import chain, episodes, moves_versions, rows, tables
from registry.records import Champion, Incident
from registry.sql import Registry


class Ingested(NamedTuple):
    """What a batch changed: numbers of reports, and the incidents as they stand afterwards.

    *updated* are those that were open before and are still; *resolved* those that ended because all is steady again.
    """

    stored: int
    revised: int
    duplicates: int
    opened: tuple[Incident, ...]
    updated: tuple[Incident, ...]
    resolved: tuple[Incident, ...]


def ingest(
    reg: Registry,
    reports: Sequence[Report],
    *,
    now: datetime,
    ignore: frozenset[str] = frozenset(),
    clear_after: int = 3,
) -> Ingested:
    """Write down *reports* and what follows from them, all in one transaction.

    A report that was stored before, as any revision, is a duplicate and changes nothing; another report of a window
    that is known is a new revision. Drift opens an incident, or goes to the open one of that model, version and signal.
    Only the champion's windows count, and of them only the newest of each segment and stage; no signal in *ignore*
    opens any. A decided incident is resolved after *clear_after* steady windows in a row. NotFound for a version that
    is not registered.
    """
    with reg.write() as c:
        for model, version in {(r.model, r.version) for r in reports}:
            moves_versions.get_version(c, model, version)
        stored = [_store(c, r, now) for r in sorted(reports, key=lambda r: (r.window_end, *r.key))]
        new = [s for s in stored if s.revision]
        _log(c, new, now)
        changes = _follow(c, new, episodes.Rules(ignore, clear_after, now))
        revised = sum(s.revision > 1 for s in new)
        return Ingested(len(new) - revised, revised, len(stored) - len(new), *_grouped(c, changes))


class _Stored(NamedTuple):
    report: Report
    digest: str
    revision: int  # 0: it was there already
    newest: bool  # no later window of its segment and stage was known


def _store(c: sa.Connection, report: Report, now: datetime) -> _Stored:
    t, digest = tables.window_reports.c, report.digest
    series = [t.model == report.model, t.version == report.version, t.segment == report.segment,
              t.stage == report.stage.value]  # fmt: skip
    window = [*series, t.window_start == report.window_start, t.window_end == report.window_end]
    known = c.execute(sa.select(t.digest, t.revision).where(*window)).all()
    if digest in {row.digest for row in known}:
        return _Stored(report, digest, 0, newest=False)
    revision = 1 + max((row.revision for row in known), default=0)
    rows.update(c, tables.window_reports, *window, latest=False)
    said = report.model_dump(include={"model", "version", "segment", "stage", "window_start", "window_end", "rows"})
    rows.insert(c, tables.window_reports, **said, verdict=report.verdict, digest=digest, revision=revision, latest=True,
                report=report.model_dump(mode="json"), created_at=now)  # fmt: skip
    later = sa.select(sa.exists().where(*series, t.window_end > report.window_end))
    return _Stored(report, digest, revision, newest=not c.scalar(later))


def _log(c: sa.Connection, new: Iterable[_Stored], now: datetime) -> None:
    """Write one line a model: how many reports, and a digest over theirs, which says which."""
    by_model: dict[str, list[_Stored]] = defaultdict(list)
    for stored in new:
        by_model[stored.report.model].append(stored)
    for model, some in by_model.items():
        digest = hashlib.sha256("".join(sorted(s.digest for s in some)).encode()).hexdigest()
        details: dict[str, chain.Detail] = {
            "reports": len(some),
            "revised": sum(s.revision > 1 for s in some),
            "digest": digest,
        }
        chain.append(c, chain.Line(now, chain.SYSTEM, "reports.stored", model, f"{len(some)} windows", details))


def _follow(c: sa.Connection, new: Iterable[_Stored], rules: episodes.Rules) -> dict[int, episodes.Change]:
    """Show every signal's windows, in order, to its episode; return how each incident that changed did."""
    champions = {row.model: row.version for row in rows.fetch(c, Champion, rows.select(Champion))}
    seen: dict[tuple[datetime, str, str, Signal], list[Report]] = defaultdict(list)
    for report in (s.report for s in new if s.newest and champions.get(s.report.model) == s.report.version):
        for signal in sorted({f.signal for f in report.findings}):
            seen[report.window_end, report.model, report.version, signal].append(report)
    changes: dict[int, episodes.Change] = {}
    for (_, _, _, signal), reports in sorted(seen.items(), key=lambda item: item[0]):
        for number, change in episodes.observe(c, signal, reports, rules).items():
            if changes.get(number) is not episodes.Change.OPENED:
                changes[number] = change
    return changes


def _grouped(c: sa.Connection, changes: dict[int, episodes.Change]) -> list[tuple[Incident, ...]]:
    found = rows.select(Incident, tables.incidents.c.id.in_(changes)).order_by(tables.incidents.c.id)
    now = rows.fetch(c, Incident, found)
    return [tuple(i for i in now if changes[i.id] is kind) for kind in episodes.Change]
