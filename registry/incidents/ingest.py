"""Ingestion of window reports: stored once each, judged over time, and followed by the incidents they open and end.

Judging reads a snapshot and holds up no writer: a late correction may mean that a whole series is judged again. What is
written is checked against what came in between, and judged again if that mattered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from monitors.finding import Signal, Stage
from monitors.report import Report
from registry import lookups
from registry.audit_log import chain
from registry.config import IncidentPolicy
from registry.connection import Registry
from registry.database import mapping, tables
from registry.incidents import ordering, stored_reports
from registry.incidents.incident_rules import SignalVerdict, Window
from registry.incidents.lifecycle import Change, SignalLifecycle
from registry.incidents.ordering import Moment, StoredWindow
from registry.incidents.stored_incidents import StoredIncidents
from registry.incidents.stored_reports import StoredReport
from registry.incidents.window_history import WindowHistory
from registry.records import Champion, Incident

Version = tuple[str, str]
"""A model and one of its versions."""
Judge = Callable[[sa.Connection, list[Report]], list[Report]]
"""Turns reports that are new into judged ones, and adds those stored whose verdicts change with them."""

SNAPSHOTS = 3
"""How often a batch is judged from a snapshot; if something came in between each time, it is judged in the transaction
that writes it, where nothing can. One monitor a model writes its reports, so that once is the rule."""
JUDGED_FROM = (
    "reports.stored", "model.promoted", "model.rolled_back", "baseline.stored", "baseline.renewed", "incident.accepted"
)  # fmt: skip
"""The actions in the audit log that may change how windows of their model are judged."""


@dataclass(frozen=True)
class Rules:
    """By what the incidents of a model are counted.

    Parameters
    ----------
    policy
        When an incident opens and ends, and how severe it is.
    ignore
        Signals that open no incident.
    awaits_decision
        Whether an incident stays open until something is decided about it; False where the model is only monitored.
    """

    policy: IncidentPolicy = field(default_factory=IncidentPolicy)
    ignore: frozenset[Signal] = frozenset()
    awaits_decision: bool = True


class Ingested(NamedTuple):
    """What a batch changed: numbers of reports, and the incidents as they stand afterwards.

    *updated* are those that were open before and are still; *resolved* those that ended; *reopened* those that had
    ended and go on.
    """

    stored: int
    revised: int
    duplicates: int
    opened: tuple[Incident, ...] = ()
    updated: tuple[Incident, ...] = ()
    resolved: tuple[Incident, ...] = ()
    reopened: tuple[Incident, ...] = ()


def ingest(
    reg: Registry,
    reports: Sequence[Report],
    *,
    now: datetime,
    rules: Rules | None = None,
    judge: Judge | None = None,
) -> Ingested:
    """Store *reports* and what follows from them, all in one transaction, whatever number of times they are delivered.

    The same counts of a window again are a duplicate and change nothing. Other counts are a new revision, and so are
    the same counts that *judge* returns with other findings than the newest revision has.

    Incidents open, go on, are corrected and end as :mod:`registry.incidents.lifecycle` says, from the newest revisions.
    Only the champion's windows count, and only the newest of a stage open one.

    Parameters
    ----------
    reg
        The registry.
    reports
        Reports of any models, versions and windows, in any order.
    now
        The time that is recorded.
    rules
        By what incidents are counted; the default ones if absent.
    judge
        Gives the verdicts over time. It is called on a snapshot, and again if what it rests on changed in between.
        Without one, reports are stored with the findings they bring.

    Raises
    ------
    NotFound
        A version is not registered.
    """
    rules = rules or Rules()
    for _ in range(SNAPSHOTS if judge else 0):
        with reg.read() as c:
            judged = _judged(c, reports, judge)
        if not judged.reports:
            return Ingested(0, 0, judged.duplicates)
        with reg.write() as c:
            if judged.is_current(c):
                return _written(c, judged, rules, now)
    with reg.write() as c:
        return _written(c, _judged(c, reports, judge), rules, now)


def follow_stored(
    reg: Registry, model: str, version: str, *, since: datetime, now: datetime, rules: Rules | None = None
) -> Ingested:
    """Let incidents follow from windows of the champion that were stored before it was champion, as if they came now.

    Call it once, after the promotion of a *version* that answered before it: ingestion looks at new windows only.
    Windows that end by *since* are of the time before it took the place of the earlier champion.
    """
    with reg.write() as c:
        windows = [
            StoredWindow(Window(one.end, one.stage), one.segment, None, one.verdicts)
            for one in stored_reports.verdicts_since(c, model, version, since)
        ]
        changes = _follow(c, {(model, version): windows}, {(model, version): {}}, rules or Rules(), now)
        return Ingested(0, 0, len(windows), *_grouped(c, changes))


class _Judged(NamedTuple):
    """A batch as it was judged when the audit log ended with line *seq*; *duplicates* were known already."""

    reports: list[Report]
    duplicates: int
    seq: int

    def is_current(self, c: sa.Connection) -> bool:
        """Return whether nothing that the verdicts rest on has been written since."""
        t = tables.audit_log.c
        models = {report.model for report in self.reports}
        since = sa.exists().where(t.seq > self.seq, t.action.in_(JUDGED_FROM), t.model.in_(models))
        return not c.scalar(sa.select(since))


def _judged(c: sa.Connection, reports: Sequence[Report], judge: Judge | None) -> _Judged:
    """Return what is to be stored of *reports*, as the caller's transaction sees the registry."""
    for model, version in {(r.model, r.version) for r in reports}:
        lookups.version(c, model, version)
    last = chain.last(c)
    unknown = stored_reports.unknown(c, reports)
    judged = judge(c, unknown) if judge else unknown
    return _Judged(judged, len(reports) - len(unknown), last.seq if last else 0)


def _written(c: sa.Connection, judged: _Judged, rules: Rules, now: datetime) -> Ingested:
    """Store what was judged, and let the incidents of its signals follow."""
    versions = {(r.model, r.version) for r in judged.reports}
    newest_ends = {version: stored_reports.newest_ends(c, *version) for version in versions}
    stored = stored_reports.store(c, judged.reports, now)
    changes = _follow(c, _windows(stored), newest_ends, rules, now)
    revised = sum(s.revision > 1 for s in stored)
    return Ingested(len(stored) - revised, revised, judged.duplicates, *_grouped(c, changes))


def _follow(
    c: sa.Connection,
    windows: Mapping[Version, Sequence[StoredWindow]],
    newest_ends: Mapping[Version, Mapping[Stage, datetime]],
    rules: Rules,
    now: datetime,
) -> dict[int, Change]:
    """Show every signal's windows, in order, to its life cycle; return how each incident that changed did."""
    changes: dict[int, Change] = {}
    for life, verdicts, moment in _in_order(c, windows, newest_ends, rules, now):
        incident, change = life.observe(moment.observation(verdicts)) or (None, None)
        if incident is not None and change is not None:
            changes[incident.id] = change.after(changes.get(incident.id))
    return changes


def _in_order(
    c: sa.Connection,
    windows: Mapping[Version, Sequence[StoredWindow]],
    newest_ends: Mapping[Version, Mapping[Stage, datetime]],
    rules: Rules,
    now: datetime,
) -> Iterator[tuple[SignalLifecycle, Sequence[SignalVerdict], Moment]]:
    """Yield the moments of every champion's signals, with the verdicts they need: by time, whichever model's."""
    champions = {(row.model, row.version) for row in mapping.fetch(c, Champion, mapping.select(Champion))}
    items = []
    for model, version in sorted(champions & windows.keys()):
        history = WindowHistory(c, model, version)
        by_signal = ordering.moments_by_signal(windows[model, version], newest_ends[model, version])
        for signal, moments in by_signal.items():
            store = StoredIncidents(history, signal, now)
            life = SignalLifecycle(model, version, signal, rules.policy, store, opens=signal not in rules.ignore,
                                   awaits_decision=rules.awaits_decision)  # fmt: skip
            verdicts = store.verdicts(moments, rules.policy)
            items += [((moment.at, model, version, signal.value), (life, verdicts, moment)) for moment in moments]
    yield from (item for _, item in sorted(items, key=lambda pair: pair[0]))


def _windows(stored: Iterable[StoredReport]) -> dict[Version, list[StoredWindow]]:
    """Return every window stored, once: its verdicts before the batch, and those of its last report in it."""
    windows: dict[tuple[str, str, str, str, datetime, datetime], StoredWindow] = {}
    for one in stored:
        report = one.report
        before = windows[report.key].before if report.key in windows else one.before
        windows[report.key] = StoredWindow(
            Window(report.window_end, report.stage), report.segment, before, one.verdicts
        )
    by_version: dict[Version, list[StoredWindow]] = defaultdict(list)
    for key, window in windows.items():
        by_version[key[:2]].append(window)
    return by_version


def _grouped(c: sa.Connection, changes: Mapping[int, Change]) -> list[tuple[Incident, ...]]:
    """Return the incidents that changed, as they stand, by change in the order of :class:`Change`."""
    changed = mapping.select(Incident, tables.incidents.c.id.in_(changes)).order_by(tables.incidents.c.id)
    incidents = mapping.fetch(c, Incident, changed)
    return [tuple(i for i in incidents if changes[i.id] is change) for change in Change]
