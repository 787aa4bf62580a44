"""The incident page's view model: explanations, evidence over windows, and verdicts by segment and window. Pure."""

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
from registry.views.incident_response import IncidentResponse
from registry.views.looks import Look

MOST_TRACES = 3
"""Most lines in an evidence chart: more cannot be told apart."""


@dataclass(frozen=True)
class EvidencePoint:
    """The evidence of one group of variables after one window, and the window's verdict."""

    end: datetime
    total: float
    verdict: Verdict
    window: Address


@dataclass(frozen=True)
class EvidenceTrace:
    """The evidence of a signal in one segment, oldest first; drift where it reaches *evidence_required*."""

    segment: str
    evidence_required: float
    points: tuple[EvidencePoint, ...]

    @property
    def peak(self) -> float:
        """The largest evidence, as a multiple of the evidence required."""
        return max(p.total for p in self.points) / self.evidence_required


@dataclass(frozen=True)
class Row:
    """One segment's verdicts, one cell a window; None where no report has a finding of the signal."""

    segment: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Grid:
    """Verdicts on one signal: a column for each window end, a row for each segment, all traffic first.

    *inside* marks the columns that belong to the incident.
    """

    ends: tuple[datetime, ...]
    inside: tuple[bool, ...]
    rows: tuple[Row, ...]

    @property
    def months(self) -> tuple[tuple[str, int], ...]:
        """The months in which the windows end, each with its number of windows."""
        return runs(f"{end - INSTANT:%b %Y}" for end in self.ends)


@dataclass(frozen=True)
class IncidentPage:
    """Everything on an incident's page.

    *first* and *newest* explain its first and newest window, which may be one; *response* is what was done about it.
    """

    view: IncidentView
    first: WindowExplanation
    newest: WindowExplanation
    evidence: tuple[EvidenceTrace, ...]
    grid: Grid
    pages: Pages
    log: tuple[AuditEntry, ...]
    response: IncidentResponse


@dataclass(frozen=True)
class Scale:
    """Positions for drawing an effect with its interval, as shares of the width; None for what is not drawn."""

    zero: float
    effect: float
    low: float
    high: float
    threshold: float | None
    min_effect: float | None


def window_address(explanation: WindowExplanation, of: DriftedVariable | SegmentStatus) -> Address:
    """Return the address of the window that a part of an *explanation* is about."""
    return Address(explanation.version, of.stage, explanation.end, of.segment)


def evidence_traces(reports: Iterable[Report], signal: Signal) -> tuple[EvidenceTrace, ...]:
    """Return the evidence traces of *signal* in *reports*, oldest first: the `MOST_TRACES` with the highest peaks.

    Groups of variables that require different evidence have a trace each.
    """
    points: dict[tuple[str, float], list[EvidencePoint]] = defaultdict(list)
    for report in reports:
        where = Address(report.version, report.stage, report.window_end, report.segment)
        verdict = verdict_of(f for f in report.findings if f.signal is signal)
        for required, total in onset.evidence_by_group(report, signal).items():
            points[report.segment, required].append(EvidencePoint(report.window_end, round(total, 3), verdict, where))
    all_traces = [EvidenceTrace(segment, required, tuple(line)) for (segment, required), line in points.items()]
    return tuple(sorted(all_traces, key=lambda t: (-t.peak, t.segment, t.evidence_required))[:MOST_TRACES])


def verdict_grid(verdicts: Sequence[WindowVerdict], incident: Incident) -> Grid:
    """Return *verdicts* by segment and window end; where both stages judged the signal, the worse verdict."""
    ends = sorted({s.end for s in verdicts})
    cells: dict[tuple[str, datetime], Cell] = {}
    for s in verdicts:
        where = Address(incident.version, s.stage, s.end, s.segment)
        before = cells.get((s.segment, s.end))
        if before is None or _RANK.index(s.verdict) > _RANK.index(before.verdict):
            cells[s.segment, s.end] = Cell(s.verdict, where, "")
    rows = [Row(name, tuple(cells.get((name, end)) for end in ends)) for name in sorted({s.segment for s in verdicts})]
    inside = tuple(incident.since <= end <= incident.last_seen for end in ends)
    return Grid(tuple(ends), inside, tuple(rows))


_RANK = (Verdict.NOT_ENOUGH, Verdict.STEADY, Verdict.DRIFT)


def scale(finding: Finding, min_effect: float | None = None) -> Scale | None:
    """Return where to draw a finding's effect, interval, threshold and minimum effect; None without an effect.

    A threshold of more than `_FAR_THRESHOLD` times everything else is left out: the rest would shrink to a dot.
    """
    if finding.effect is None:
        return None
    low, high = finding.interval or (finding.effect, finding.effect)
    top, threshold = max(high, min_effect or 0.0), finding.threshold
    if threshold is not None and threshold > _FAR_THRESHOLD * top > 0:
        threshold = None
    drawn = [v for v in (0.0, low, high, threshold, min_effect) if v is not None]
    start, width = min(drawn), (max(drawn) - min(drawn)) or 1.0

    def place(value: float) -> float:
        return round((value - start) / width, 4)

    lines = [None if v is None else place(v) for v in (threshold, min_effect)]
    return Scale(place(0.0), place(finding.effect), place(low), place(high), lines[0], lines[1])


_FAR_THRESHOLD = 3.0
"""Multiple of the largest other value from which on a threshold is not drawn; chosen by looking at pages."""


def look_scale(of: Look, looks: Sequence[Look]) -> Scale:
    """Return where to draw a look's mean difference and its bounds, on one scale for all *looks* of its table."""
    drawn = [0.0, *(v for one in looks for v in (one.mean, one.low, one.high) if v is not None)]
    start, width = min(drawn), (max(drawn) - min(drawn)) or 1.0
    low, high = of.low if of.low is not None else of.mean, of.high if of.high is not None else of.mean
    zero, mean, first, last = (round((value - start) / width, 4) for value in (0.0, of.mean, low, high))
    return Scale(zero, mean, first, last, None, None)
