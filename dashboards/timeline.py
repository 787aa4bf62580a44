"""The model page's timeline: windows over event time with a verdict per signal, from stored reports. Pure."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitors.explain.explanation import verdict_of
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from registry.records import Promotion, WindowRow

_NAMED = 3  # variables that a cell names before "and so many more"
INSTANT = timedelta.resolution
"""Taken from the end of a window: one that ends at midnight belongs to the day before."""
_RANK = {Verdict.NOT_ENOUGH: 0, Verdict.STEADY: 1, Verdict.DRIFT: 2}


@dataclass(frozen=True)
class Address:
    """What a stored window is found by, whichever revision of it is the newest."""

    version: str
    stage: Stage
    end: datetime
    segment: str = ""


@dataclass(frozen=True)
class Seen:
    """One window as one version saw it, with its stored reports: one a stage."""

    start: datetime
    end: datetime
    version: str
    reports: tuple[tuple[Address, Report], ...]


@dataclass(frozen=True)
class Cell:
    """One signal in one window: its verdict, the stored window it comes from, and the reason in words."""

    verdict: Verdict
    window: Address
    told: str


@dataclass(frozen=True)
class Column:
    """One window of the timeline. *promoted* names the version that took over since the window before, if one did."""

    start: datetime
    end: datetime
    version: str
    cells: Mapping[Signal, Cell]
    promoted: str = ""


@dataclass(frozen=True)
class Timeline:
    """Windows from old to new."""

    columns: tuple[Column, ...]

    @property
    def months(self) -> tuple[tuple[str, int], ...]:
        """The months that the windows end in, each with its number of windows."""
        return runs(f"{c.end - INSTANT:%b %Y}" for c in self.columns)

    @property
    def bands(self) -> tuple[tuple[str, int], ...]:
        """The versions in turn, each with its number of windows."""
        return runs(c.version for c in self.columns)


def runs(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Return neighbours of one name as one, each with their number.

    >>> runs(["v1", "v1", "v2", "v1"])
    (('v1', 2), ('v2', 1), ('v1', 1))
    """
    return tuple((name, len(list(group))) for name, group in itertools.groupby(names))


def address(row: WindowRow) -> Address:
    """Return what *row* is found by."""
    return Address(row.version, row.stage, row.window_end, row.segment)


def by_signal(findings: Iterable[Finding]) -> dict[Signal, list[Finding]]:
    """Return the findings of each signal that has any, in the signals' own order."""
    out: dict[Signal, list[Finding]] = {s: [] for s in Signal}
    for finding in findings:
        out[finding.signal].append(finding)
    return {signal: found for signal, found in out.items() if found}


def cell_text(findings: Sequence[Finding]) -> str:
    """Return what findings of one signal come to, in one line."""
    verdict = verdict_of(findings)
    if verdict is Verdict.NOT_ENOUGH:
        return findings[0].reason or "not enough evidence"
    if verdict is Verdict.STEADY:
        return "steady"
    away = [f.variable for f in findings if f.verdict is Verdict.DRIFT]
    rest = f" and {len(away) - _NAMED} more" if len(away) > _NAMED else ""
    return ", ".join(away[:_NAMED]) + rest


def cells(reports: Iterable[tuple[Address, Report]]) -> dict[Signal, Cell]:
    """Return a cell for each signal that some report judged; of a signal judged at both stages, the worse verdict."""
    out: dict[Signal, Cell] = {}
    for where, report in reports:
        for signal, findings in by_signal(report.findings).items():
            cell = Cell(verdict_of(findings), where, cell_text(findings))
            if signal not in out or _RANK[cell.verdict] > _RANK[out[signal].verdict]:
                out[signal] = cell
    return out


def champion_before(promotions: Sequence[Promotion], when: datetime) -> str | None:
    """Return the version that served just before *when*, in event time; None before the first promotion."""
    effective = [p for p in promotions if p.effective_at < when]
    return max(effective, key=lambda p: p.generation).to_version if effective else None


def served(rows: Sequence[WindowRow], promotions: Sequence[Promotion]) -> list[Seen]:
    """Return the windows in *rows* (one segment, any stage), from old to new, as the version saw them that served.

    Where the version that served has no report of a window, the one with the most rows in it stands in.
    """
    windows: dict[tuple[datetime, datetime], dict[str, list[WindowRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        windows[row.window_end, row.window_start][row.version].append(row)
    out = []
    for (end, start), versions in sorted(windows.items()):
        champion = champion_before(promotions, end)
        version = champion if champion in versions else max(versions, key=lambda v: max(r.rows for r in versions[v]))
        found = [(address(row), Report.model_validate(row.report)) for row in versions[version]]
        out.append(Seen(start, end, version, tuple(found)))
    return out


def timeline(windows: Sequence[Seen], promotions: Sequence[Promotion]) -> Timeline:
    """Return *windows* as columns, with each promotion marked on the first window that ends after it."""
    columns = []
    for before, seen in zip((None, *windows), windows, strict=False):
        since = before.end if before else seen.end
        recent = [p for p in promotions if since <= p.effective_at < seen.end]
        promoted = max(recent, key=lambda p: p.generation).to_version if recent else ""
        columns.append(Column(seen.start, seen.end, seen.version, cells(seen.reports), promoted))
    return Timeline(tuple(columns))
