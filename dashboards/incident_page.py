"""What an incident's page shows beside its accounts: evidence over time, and what each window said. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboards.timeline import INSTANT, Address, Cell, runs
from dashboards.view_models import IncidentView, Pages
from monitors.explain import onset
from monitors.explain.explanation import DriftedVariable, SegmentStatus, WindowExplanation, verdict_of
from monitors.finding import Finding, Signal, Verdict
from monitors.report import Report
from registry.incidents.explain import WindowVerdict
from registry.records import AuditEntry, Incident

TRACES = 3
"""Lines in a chart: so many can be told apart."""


@dataclass(frozen=True)
class EvidencePoint:
    """The evidence after one window, and what the window said."""

    end: datetime
    total: float
    verdict: Verdict
    window: Address


@dataclass(frozen=True)
class EvidenceTrace:
    """The evidence of one signal in one segment over time, old to new: an alarm is raised where it reaches *needed*."""

    segment: str
    evidence_required: float
    points: tuple[EvidencePoint, ...]

    @property
    def peak(self) -> float:
        """The most that it was, as a multiple of what was needed."""
        return max(p.total for p in self.points) / self.evidence_required


@dataclass(frozen=True)
class Row:
    """One segment's windows; None where there is no report, or none that tells of the signal."""

    segment: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Grid:
    """What windows said of one signal: a column a window end, a row a segment, all traffic first.

    *inside* says which columns belong to the incident.
    """

    ends: tuple[datetime, ...]
    inside: tuple[bool, ...]
    rows: tuple[Row, ...]

    @property
    def months(self) -> tuple[tuple[str, int], ...]:
        """The months that the windows end in, each with its number of windows."""
        return runs(f"{end - INSTANT:%b %Y}" for end in self.ends)


@dataclass(frozen=True)
class IncidentPage:
    """Everything on an incident's page. *first* and *newest* are the accounts of its windows, maybe the same one."""

    view: IncidentView
    first: WindowExplanation
    newest: WindowExplanation
    evidence: tuple[EvidenceTrace, ...]
    grid: Grid
    pages: Pages
    log: tuple[AuditEntry, ...]


@dataclass(frozen=True)
class Scale:
    """An effect drawn to scale: every place is a share of the width, None where there is nothing to draw."""

    zero: float
    effect: float
    low: float
    high: float
    threshold: float | None
    least: float | None


def place(account: WindowExplanation, of: DriftedVariable | SegmentStatus) -> Address:
    """Return the window of an *account* that something in it is about."""
    return Address(account.version, of.stage, account.end, of.segment)


def traces(reports: Iterable[Report], signal: Signal) -> tuple[EvidenceTrace, ...]:
    """Return the evidence of *signal* in *reports*, oldest first: the TRACES lines that came nearest to an alarm.

    Variables that have to reach different sums make a line each.
    """
    points: dict[tuple[str, float], list[EvidencePoint]] = defaultdict(list)
    for report in reports:
        where = Address(report.version, report.stage, report.window_end, report.segment)
        verdict = verdict_of(f for f in report.findings if f.signal is signal)
        for needed, total in onset.evidence_by_group(report, signal).items():
            points[report.segment, needed].append(EvidencePoint(report.window_end, round(total, 3), verdict, where))
    found = [EvidenceTrace(segment, needed, tuple(some)) for (segment, needed), some in points.items()]
    return tuple(sorted(found, key=lambda t: (-t.peak, t.segment, t.evidence_required))[:TRACES])


def grid(said: Sequence[WindowVerdict], incident: Incident) -> Grid:
    """Return *said* by segment and window end; where both stages tell of the signal, the worse verdict."""
    ends = sorted({s.end for s in said})
    cells: dict[tuple[str, datetime], Cell] = {}
    for s in said:
        where = Address(incident.version, s.stage, s.end, s.segment)
        before = cells.get((s.segment, s.end))
        if before is None or _RANK.index(s.verdict) > _RANK.index(before.verdict):
            cells[s.segment, s.end] = Cell(s.verdict, where, "")
    rows = [Row(name, tuple(cells.get((name, end)) for end in ends)) for name in sorted({s.segment for s in said})]
    inside = tuple(incident.since <= end <= incident.last_seen for end in ends)
    return Grid(tuple(ends), inside, tuple(rows))


_RANK = (Verdict.NOT_ENOUGH, Verdict.STEADY, Verdict.DRIFT)


def scale(finding: Finding, least: float | None = None) -> Scale | None:
    """Return where to draw a finding's effect, its interval and its lines; None without an effect.

    A threshold so far away that the rest would shrink to a dot is left out.
    """
    if finding.effect is None:
        return None
    low, high = finding.interval or (finding.effect, finding.effect)
    top, threshold = max(high, least or 0.0), finding.threshold
    if threshold is not None and threshold > _FAR * top > 0:
        threshold = None
    drawn = [v for v in (0.0, low, high, threshold, least) if v is not None]
    start, width = min(drawn), (max(drawn) - min(drawn)) or 1.0

    def place(value: float) -> float:
        return round((value - start) / width, 4)

    lines = [None if v is None else place(v) for v in (threshold, least)]
    return Scale(place(0.0), place(finding.effect), place(low), place(high), lines[0], lines[1])


_FAR = 3.0
