"""View models: what each page and API answer shows, as frozen values made from registry records. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboards.performance_chart import Line
from dashboards.timeline import Address, Cell, Timeline, address, cells
from dashboards.window_page import Distribution, Ranked
from monitors.finding import DriftEvidence, Signal, Verdict
from monitors.report import Report
from registry.baseline_plan import BaselinePlan
from registry.model_status import ModelStatus
from registry.records import (
    AuditResult,
    Champion,
    Check,
    CheckResult,
    Decision,
    Incident,
    Promotion,
    RetrainRun,
    Version,
    WindowRow,
)
from registry.views.looks import Look
from registry.views.promotion_effect import PromotionEffect
from registry.views.retrain_record import RetrainRecord


@dataclass(frozen=True)
class WindowSummary:
    """A stored window in one row: verdict, number of rows, and one cell a signal."""

    address: Address
    start: datetime
    end: datetime
    verdict: Verdict
    rows: int
    cells: Mapping[Signal, Cell]

    @property
    def drifted(self) -> tuple[Signal, ...]:
        """The signals whose verdict is drift."""
        return tuple(s for s, cell in self.cells.items() if cell.verdict is Verdict.DRIFT)


@dataclass(frozen=True)
class Neighbour:
    """Another window of the same version, stage and segment, on the same bins."""

    address: Address
    start: datetime
    verdict: Verdict


@dataclass(frozen=True)
class ModelSummary:
    """A model in one row of the overview. *status_lines* is its *status* in sentences, the worst first.

    *inputs* and *outcomes* are the newest windows of the champion's version; *recent_inputs* and *recent_outcomes* end
    with them. *baseline* is the plan of its baseline.
    """

    model: str
    status: ModelStatus
    status_lines: tuple[str, ...]
    champion: Champion | None
    inputs: WindowSummary | None
    outcomes: WindowSummary | None
    recent_inputs: tuple[Neighbour, ...]
    recent_outcomes: tuple[Neighbour, ...]
    unresolved: int
    undecided: int
    audit: AuditResult | None
    baseline: BaselinePlan | None


@dataclass(frozen=True)
class EvidenceRow:
    """One drift finding that an incident rests on, and its window."""

    window: Address
    start: datetime
    variable: str
    metric: str
    effect: float | None
    threshold: float | None
    reason: str


@dataclass(frozen=True)
class IncidentView:
    """An incident with the newest revision of its decision. *waiting* is what is waited for now, as text."""

    incident: Incident
    decision: Decision | None
    waiting: str
    evidence: tuple[EvidenceRow, ...]


@dataclass(frozen=True)
class RunView:
    """A retrain with the gate's checks: *candidates* are the versions that were checked, each with its checks.

    *seconds* is its cost, *looks* are those of its trial, and *effect* is what its promotion did; None without one.
    """

    run: RetrainRun
    candidates: tuple[tuple[str, tuple[Check, ...]], ...]
    seconds: float | None
    looks: tuple[Look, ...]
    effect: PromotionEffect | None

    @property
    def challenger(self) -> str:
        """The challenger, or all candidates where none was chosen; empty if there was none."""
        return self.run.challenger or ", ".join(name for name, _ in self.candidates if name)

    @property
    def passed(self) -> int:
        """Number of checks that passed."""
        return sum(c.result is CheckResult.PASS for _, checks in self.candidates for c in checks)

    @property
    def total(self) -> int:
        """Number of checks."""
        return sum(len(checks) for _, checks in self.candidates)


@dataclass(frozen=True)
class Pages:
    """The ``until`` of the pages of earlier and later windows; None where there is none."""

    earlier: datetime | None
    later: datetime | None


@dataclass(frozen=True)
class ModelView:
    """Everything on a model's page. Incidents, runs, versions and promotions are newest first and may be cut short.

    *effects* are what its promotions did to the loss, by the promotion's number.
    """

    summary: ModelSummary
    segment: str
    segments: tuple[str, ...]
    timeline: Timeline
    pages: Pages
    performance: tuple[Line, ...]
    incidents: tuple[IncidentView, ...]
    runs: tuple[RunView, ...]
    versions: tuple[Version, ...]
    promotions: tuple[Promotion, ...]
    effects: Mapping[int, PromotionEffect]


@dataclass(frozen=True)
class WindowView:
    """Everything on a window's page. *against* is the end of the one of *neighbours* that it is compared with."""

    model: str
    summary: WindowSummary
    revision: int
    created_at: datetime
    baseline: str
    findings: tuple[Ranked, ...]
    variables: tuple[str, ...]
    distribution: Distribution | None
    neighbours: tuple[Neighbour, ...]
    against: datetime | None
    incidents: tuple[IncidentView, ...]

    @property
    def before(self) -> Neighbour | None:
        """The window right before this one."""
        return next((n for n in reversed(self.neighbours) if n.address.end < self.summary.end), None)

    @property
    def after(self) -> Neighbour | None:
        """The window right after this one."""
        return next((n for n in self.neighbours if n.address.end > self.summary.end), None)


def window(row: WindowRow) -> WindowSummary:
    """Return the summary of a stored window."""
    where, report = address(row), Report.model_validate(row.report)
    return WindowSummary(where, row.window_start, row.window_end, report.verdict, row.rows, cells([(where, report)]))


def neighbour(row: WindowRow) -> Neighbour:
    """Return a stored window as another one's neighbour."""
    return Neighbour(address(row), row.window_start, row.verdict)


def incident(record: Incident, decision: Decision | None, waiting: str = "") -> IncidentView:
    """Return an incident with the newest revision of its decision, and with what is waited for."""
    return IncidentView(record, decision, waiting, tuple(evidence(record.version, item) for item in record.evidence))


def evidence(version: str, item: DriftEvidence) -> EvidenceRow:
    """Return stored evidence as a page shows it: a drift finding with the address of its window."""
    finding = item.finding
    return EvidenceRow(
        window=Address(version, item.stage, item.window_end, item.segment),
        start=item.window_start,
        variable=finding.variable,
        metric=finding.metric,
        effect=finding.effect,
        threshold=finding.threshold,
        reason=finding.reason,
    )


def run(record: RetrainRecord) -> RunView:
    """Return a retrain with its checks by candidate, in the order they were recorded."""
    candidates = tuple((candidate.name, candidate.checks) for candidate in record.candidates)
    return RunView(record.run, candidates, record.seconds, record.looks, record.effect)


def during(incidents: Sequence[IncidentView], where: Address) -> tuple[IncidentView, ...]:
    """Return the incidents of the window's version that were open when it ended."""
    return tuple(
        v
        for v in incidents
        if v.incident.version == where.version and v.incident.since <= where.end <= v.incident.last_seen
    )


def pages(windows: Sequence[datetime], *, cut: bool, newest: datetime | None) -> Pages:
    """Return the neighbours of a page whose windows end at *windows*, oldest first; *cut* if older ones exist.

    The later page reaches as far forwards as this one reaches back, but not beyond *newest*.

    >>> from datetime import timezone
    >>> day = [datetime(2013, 8, d, tzinfo=timezone.utc) for d in range(1, 31)]
    >>> page = pages(day[10:15], cut=True, newest=day[20])
    >>> page.earlier == day[10], page.later == day[18]
    (True, True)
    """
    if not windows:
        return Pages(None, newest)
    first, last = windows[0], windows[-1]
    later = min(newest, last + (last - first)) if newest and newest > last else None
    return Pages(first if cut else None, newest if later == last else later)
