"""The model page's timeline: windows in event time with a verdict on each signal, from stored reports. Pure."""

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

_NAMED_VARIABLES = 3
"""Most variables that a cell names; the others are counted."""
INSTANT = timedelta.resolution
"""Subtracted from the end of a window, so that one that ends at midnight belongs to the day before."""
_RANK = {Verdict.NOT_ENOUGH: 0, Verdict.STEADY: 1, Verdict.DRIFT: 2}


@dataclass(frozen=True)
class Address:
    """The key of a stored window, of which the newest revision is meant."""

    version: str
    stage: Stage
    end: datetime
    segment: str = ""


@dataclass(frozen=True)
class ServedWindow:
    """One window of the version that served then, with its stored reports, one for each stage."""

    start: datetime
    end: datetime
    version: str
    reports: tuple[tuple[Address, Report], ...]


@dataclass(frozen=True)
class Cell:
    """One signal in one window: its verdict, the stored window that it is from, and the reason as *text*."""

    verdict: Verdict
    window: Address
    text: str


@dataclass(frozen=True)
class Column:
    """One window of the timeline. *promoted* is the version promoted since the window before, empty if none was."""

    start: datetime
    end: datetime
    version: str
    cells: Mapping[Signal, Cell]
    promoted: str = ""


@dataclass(frozen=True)
class Timeline:
    """The columns of the timeline, oldest first."""

    columns: tuple[Column, ...]

    @property
    def months(self) -> tuple[tuple[str, int], ...]:
        """The months in which the windows end, each with its number of windows."""
        return runs(f"{c.end - INSTANT:%b %Y}" for c in self.columns)

    @property
    def bands(self) -> tuple[tuple[str, int], ...]:
        """The versions in order, each with its number of windows."""
        return runs(c.version for c in self.columns)


def runs(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Return runs of equal names, each with its length.

    >>> runs(["v1", "v1", "v2", "v1"])
    (('v1', 2), ('v2', 1), ('v1', 1))
    """
    return tuple((name, len(list(group))) for name, group in itertools.groupby(names))


def address(row: WindowRow) -> Address:
    """Return the key of *row*."""
    return Address(row.version, row.stage, row.window_end, row.segment)


def by_signal(findings: Iterable[Finding]) -> dict[Signal, list[Finding]]:
    """Return the findings of each signal that has any, in the signals' own order."""
    out: dict[Signal, list[Finding]] = {s: [] for s in Signal}
    for finding in findings:
        out[finding.signal].append(finding)
    return {signal: some for signal, some in out.items() if some}


def cell_text(findings: Sequence[Finding]) -> str:
    """Return the findings of one signal in one line: the drifted variables, "steady", or why nothing was judged."""
    verdict = verdict_of(findings)
    if verdict is Verdict.NOT_ENOUGH:
        return findings[0].reason or "not enough evidence"
    if verdict is Verdict.STEADY:
        return "steady"
    drifted = [f.variable for f in findings if f.verdict is Verdict.DRIFT]
    rest = f" and {len(drifted) - _NAMED_VARIABLES} more" if len(drifted) > _NAMED_VARIABLES else ""
    return ", ".join(drifted[:_NAMED_VARIABLES]) + rest


def cells(reports: Iterable[tuple[Address, Report]]) -> dict[Signal, Cell]:
    """Return a cell for each signal with findings; of a signal judged at both stages, the worse verdict."""
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


def served(rows: Sequence[WindowRow], promotions: Sequence[Promotion]) -> list[ServedWindow]:
    """Return the windows in *rows* (one segment, any stage), oldest first, each by the version that served then.

    Where that version has no report of a window, the version with the most rows in it is taken.
    """
    windows: dict[tuple[datetime, datetime], dict[str, list[WindowRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        windows[row.window_end, row.window_start][row.version].append(row)
    out = []
    for (end, start), versions in sorted(windows.items()):
        champion = champion_before(promotions, end)
        version = champion if champion in versions else max(versions, key=lambda v: max(r.rows for r in versions[v]))
        reports = [(address(row), Report.model_validate(row.report)) for row in versions[version]]
        out.append(ServedWindow(start, end, version, tuple(reports)))
    return out


def timeline(windows: Sequence[ServedWindow], promotions: Sequence[Promotion]) -> Timeline:
    """Return *windows* as columns, with each promotion marked on the first window that ends after it."""
    columns = []
    for before, window in zip((None, *windows), windows, strict=False):
        since = before.end if before else window.end
        recent = [p for p in promotions if since <= p.effective_at < window.end]
        promoted = max(recent, key=lambda p: p.generation).to_version if recent else ""
        columns.append(Column(window.start, window.end, window.version, cells(window.reports), promoted))
    return Timeline(tuple(columns))
