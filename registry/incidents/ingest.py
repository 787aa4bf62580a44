"""Window reports become rows and incidents: the same report any number of times, with one outcome."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from monitors.report import Report, Signal, Stage, Verdict
from registry import lookups
from registry.audit_log import chain
from registry.config import IncidentPolicy
from registry.connection import Registry
from registry.database import mapping, tables
from registry.incidents import incident_rules, lifecycle, ordering
from registry.incidents.incident_rules import Window
from registry.incidents.ordering import StoredWindow
from registry.incidents.window_history import WindowHistory
from registry.records import Champion, Incident

_T = tables.window_reports.c
Version = tuple[str, str]
"""A model and one of its versions."""
Judge = Callable[[sa.Connection, list[Report]], list[Report]]
"""Turns reports that are new into judged ones, and adds those stored whose verdicts change with them."""


class Ingested(NamedTuple):
    """What a batch changed: numbers of reports, and the incidents as they stand afterwards.

    *updated* are those that were open before and are still; *resolved* those that ended; *reopened* those that had
    ended and go on.
    """

    stored: int
    revised: int
    duplicates: int
    opened: tuple[Incident, ...]
    updated: tuple[Incident, ...]
    resolved: tuple[Incident, ...]
    reopened: tuple[Incident, ...]


def ingest(
    reg: Registry,
    reports: Sequence[Report],
    *,
    now: datetime,
    ignore: frozenset[Signal] = frozenset(),
    policy: IncidentPolicy | None = None,
    judge: Judge | None = None,
) -> Ingested:
    """Write down *reports* and what follows from them, all in one transaction.

    The same counts of a window again are a duplicate and change nothing (:func:`known`). Other counts are a new
    revision, and so are the same counts that *judge* returns with other findings than the newest revision has; without
    a judge, reports are stored with the findings they bring.

    Incidents open, go on, are corrected and end by *policy*, as :mod:`registry.incidents.incident_rules` counts them
    from the newest revisions. Only the champion's windows count, and only the newest of a stage open one; no signal in
    *ignore* opens any. NotFound for a version that is not registered.
    """
    with reg.write() as c:
        for model, version in {(r.model, r.version) for r in reports}:
            lookups.version(c, model, version)
        fresh = _fresh(c, reports)
        judged = judge(c, fresh) if judge else fresh
        reached = {v: _reached(c, v) for v in {(r.model, r.version) for r in judged}}
        stored = [s for r in sorted(judged, key=lambda r: (r.window_end, *r.key)) if (s := _store(c, r, now))]
        _log(c, stored, now)
        rules = lifecycle.LifecycleRules(ignore, policy or IncidentPolicy(), now)
        changes = _follow(c, stored, reached, rules)
        revised = sum(s.revision > 1 for s in stored)
        return Ingested(len(stored) - revised, revised, len(reports) - len(fresh), *_grouped(c, changes))


def known(c: sa.Connection, report: Report) -> bool:
    """Return whether a revision of the report's window with the same counts is stored, whatever was made of them."""
    same = _window(report) & (_T.evidence == report.evidence_digest)
    return bool(c.scalar(sa.select(sa.exists().where(same))))


def _fresh(c: sa.Connection, reports: Iterable[Report]) -> list[Report]:
    """Return the reports that are not known, each once."""
    once: dict[str, Report] = {}
    for report in reports:
        once.setdefault(report.evidence_digest, report)
    return [r for r in once.values() if not known(c, r)]


def _reached(c: sa.Connection, version: Version) -> dict[Stage, datetime]:
    """Return the end of the newest window of each stage."""
    newest = sa.select(_T.stage, sa.func.max(_T.window_end).label("end"))
    mine = (_T.model == version[0]) & (_T.version == version[1]) & _T.latest
    return {Stage(row.stage): row.end for row in c.execute(newest.where(mine).group_by(_T.stage))}


class _Stored(NamedTuple):
    report: Report
    digest: str
    revision: int
    before: Mapping[Signal, Verdict] | None  # what the revision before it told, if there was one
    told: Mapping[Signal, Verdict]


def _store(c: sa.Connection, report: Report, now: datetime) -> _Stored | None:
    """Store *report* as the newest revision of its window; None if the newest is just the same, findings included."""
    window, digest, told = _window(report), report.digest, incident_rules.signal_verdicts(report)
    newest = c.execute(sa.select(_T.digest, _T.revision, _T.signals).where(window, _T.latest)).one_or_none()
    if newest is not None and newest.digest == digest:
        return None
    revision = 1 + (newest.revision if newest else 0)
    if newest is not None:
        mapping.update(c, tables.window_reports, window, _T.latest, latest=False)
    said = report.model_dump(include={"model", "version", "segment", "stage", "window_start", "window_end", "rows"})
    mapping.insert(
        c,
        tables.window_reports,
        **said,
        verdict=report.verdict,
        digest=digest,
        revision=revision,
        latest=True,
        evidence=report.evidence_digest,
        signals={signal.value: verdict.value for signal, verdict in told.items()},
        report=report.model_dump(mode="json"),
        created_at=now,
    )
    before = {Signal(s): Verdict(v) for s, v in newest.signals.items()} if newest else None
    return _Stored(report, digest, revision, before, told)


def _window(report: Report) -> sa.ColumnElement[bool]:
    names = ("model", "version", "segment", "stage", "window_start", "window_end")
    return sa.and_(*(_T[name] == value for name, value in zip(names, report.key, strict=True)))


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


def _follow(
    c: sa.Connection,
    new: Iterable[_Stored],
    reached: Mapping[Version, Mapping[Stage, datetime]],
    rules: lifecycle.LifecycleRules,
) -> dict[int, lifecycle.Change]:
    """Show every signal's windows, in order, to its episode; return how each incident that changed did."""
    changes: dict[int, lifecycle.Change] = {}
    for thread, moment in _in_order(c, new, reached, rules):
        for number, change in lifecycle.observe(thread, moment).items():
            changes[number] = change.after(changes.get(number))
    return changes


def _in_order(
    c: sa.Connection,
    new: Iterable[_Stored],
    reached: Mapping[Version, Mapping[Stage, datetime]],
    rules: lifecycle.LifecycleRules,
) -> Iterator[tuple[lifecycle.SignalHistory, ordering.ReplayMoment]]:
    """Yield the moments of every champion's signals: by time, whichever model they are of."""
    champions = {(row.model, row.version) for row in mapping.fetch(c, Champion, mapping.select(Champion))}
    seen = _seen(new)
    found = []
    for model, version in sorted(champions & seen.keys()):
        trail = WindowHistory(c, model, version)
        for signal, some in ordering.replay_moments(seen[model, version], reached[model, version]).items():
            thread = lifecycle.signal_history(trail, signal, some, rules)
            found += [((moment.at, model, version, signal), thread, moment) for moment in some]
    yield from ((thread, moment) for _, thread, moment in sorted(found, key=lambda item: item[0]))


def _seen(new: Iterable[_Stored]) -> dict[Version, list[StoredWindow]]:
    """Return every window stored, once: what it told before the batch, and what the last of its reports tells."""
    windows: dict[tuple[str, str, str, str, datetime, datetime], StoredWindow] = {}
    for stored in new:
        report = stored.report
        before = windows[report.key].before if report.key in windows else stored.before
        window = Window(report.window_end, report.stage)
        windows[report.key] = StoredWindow(window, report.segment, before, stored.told)
    by_version: dict[Version, list[StoredWindow]] = defaultdict(list)
    for key, seen in windows.items():
        by_version[key[:2]].append(seen)
    return by_version


def _grouped(c: sa.Connection, changes: dict[int, lifecycle.Change]) -> list[tuple[Incident, ...]]:
    found = mapping.select(Incident, tables.incidents.c.id.in_(changes)).order_by(tables.incidents.c.id)
    now = mapping.fetch(c, Incident, found)
    return [tuple(i for i in now if changes[i.id] is kind) for kind in lifecycle.Change]
