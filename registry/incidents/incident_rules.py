"""Incident rules: which windows open an incident, what it counts, when it goes on, and how severe it is.

Pure functions of the stored windows: the same windows give the same incident, in whatever order they arrived.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import NamedTuple

from monitors.finding import DriftEvidence, Finding, Signal, Stage, Verdict
from monitors.report import Report
from monitors.signals import Severity
from registry.config import IncidentPolicy, OpenAfter
from registry.records import Incident

LARGE_EFFECT = 3.0
"""An effect of so many times its threshold raises the severity by one level. A convention, not a measurement."""
STEADY_AGAIN = "steady again"
"""The resolution of an incident that has cleared; only such an incident can be reopened."""
CORRECTED = "corrected by late data"
"""The resolution of an undecided incident whose last window of drift was corrected to steady by late data."""


class Window(NamedTuple):
    """A window of one stage, whatever its segment."""

    end: datetime
    stage: Stage


class SignalVerdict(NamedTuple):
    """The verdict of a judged window on a signal, all segments together."""

    end: datetime
    stage: Stage
    drift: bool

    @property
    def window(self) -> Window:
        """The window that was judged."""
        return Window(self.end, self.stage)


@dataclass(frozen=True, slots=True)
class EpisodeProgress:
    """What an incident counts of its windows.

    Parameters
    ----------
    windows
        How many window ends drifted.
    first, last
        The first and the last of these; None where late data left none.
    steady
        How many steady windows came since, in the stage that has fewest of them.
    until
        The end of the newest window judged; None before any.
    """

    windows: int
    first: datetime | None
    last: datetime | None
    steady: int
    until: datetime | None


class SegmentEvidence(NamedTuple):
    """The evidence of one window end: its drift findings, and how many of its judged segments drifted."""

    findings: Sequence[DriftEvidence]
    segments: int
    drifted_segments: int


NO_EVIDENCE = SegmentEvidence((), 0, 0)


def signal_verdicts(report: Report) -> dict[Signal, Verdict]:
    """Return the worst verdict of *report* on each signal: drift before steady before not enough evidence.

    Where anything could be judged and there is no quality fault, the quality is steady: outcomes have no finding on it.
    """
    worst: dict[Signal, Verdict] = {}
    for finding in report.findings:
        verdicts = {worst.get(finding.signal), finding.verdict}
        worst[finding.signal] = next(v for v in _WORST_FIRST if v in verdicts)
    if report.verdict is not Verdict.NOT_ENOUGH:
        worst.setdefault(Signal.QUALITY, Verdict.STEADY)
    return worst


_WORST_FIRST = (Verdict.DRIFT, Verdict.STEADY, Verdict.NOT_ENOUGH)


def episode_progress(verdicts: Sequence[SignalVerdict], since: datetime) -> EpisodeProgress:
    """Return what an incident counts that began with the window that ends at *since*.

    Steady windows are counted for each stage that drifted by itself; where no drift is left, for every stage.

    Parameters
    ----------
    verdicts
        The verdicts of all judged windows, oldest first.
    since
        The end of the incident's first window.
    """
    inside = [s for s in verdicts if s.end >= since]
    drifted = sorted({s.end for s in inside if s.drift})
    stages = {s.stage for s in inside if s.drift} or {s.stage for s in inside}
    return EpisodeProgress(
        windows=len(drifted),
        first=drifted[0] if drifted else None,
        last=drifted[-1] if drifted else None,
        steady=min((_trailing(inside, stage) for stage in stages), default=0),
        until=max((s.end for s in inside), default=None),
    )


def _trailing(verdicts: Sequence[SignalVerdict], stage: Stage) -> int:
    """Return how many windows of *stage* were steady since it last drifted, or all of them if it did not."""
    newest_first = (s for s in reversed(verdicts) if s.stage == stage)
    return sum(1 for _ in takewhile(lambda s: not s.drift, newest_first))


def opening_windows(verdicts: Sequence[SignalVerdict], new: Set[Window], rule: OpenAfter) -> list[datetime]:
    """Return the ends of the windows that open an incident, oldest first; none if none opens.

    An incident opens in a stage if its newest judged window drifts, N of its last M windows do (*rule*), and one of
    these is *new*: older drift opens nothing. Stages that open with windows of the same end open the incident together,
    with all their windows; of others, the one that opens first counts.

    Parameters
    ----------
    verdicts
        The verdicts of all judged windows, oldest first.
    new
        The windows that are observed for the first time.
    rule
        How many windows of how many must drift.
    """
    stages = sorted({s.stage for s in verdicts})
    by_stage = [ends for stage in stages if (ends := _opening(verdicts, stage, new, rule))]
    first = min((ends[-1] for ends in by_stage), default=None)
    return sorted({end for ends in by_stage if ends[-1] == first for end in ends})


def _opening(verdicts: Sequence[SignalVerdict], stage: Stage, new: Set[Window], rule: OpenAfter) -> list[datetime]:
    recent = [s for s in verdicts if s.stage == stage][-rule.of :]
    drifted = [s.end for s in recent if s.drift]
    opens = recent[-1].drift and len(drifted) >= rule.windows and any(s.window in new for s in recent)
    return drifted if opens else []


def first_window(ends: Sequence[datetime], counted: datetime | None) -> datetime:
    """Return when a new incident begins: the end of the first of its opening windows not counted before.

    *ends* are those of the opening windows, oldest first; an earlier incident has counted windows up to *counted*.
    """
    return min((end for end in ends if counted is None or end > counted), default=ends[-1])


def earlier_opening(
    incident: Incident, verdicts: Sequence[SignalVerdict], new: Set[Window], rule: OpenAfter
) -> list[datetime]:
    """Return the opening windows of a stage that reported late, by which an incident began earlier; empty if none.

    Only windows that end together with the one that opened it can: which stage's comes first is chance, and the other
    may have begun to drift before. It is empty where none of these windows is *new*, or its stage would have opened
    nothing.
    """
    same = {window for window in new if window.end == incident.opened_at}
    return opening_windows([s for s in verdicts if s.end <= incident.opened_at], same, rule)


def continues(incident: Incident, verdicts: Sequence[SignalVerdict], new: Set[Window], policy: IncidentPolicy) -> bool:
    """Return whether one of the *new* windows reopens an *incident* that has cleared.

    It does if it drifts at most the cool-down after the incident cleared, unless enough steady windows came since.
    """
    if incident.resolution != STEADY_AGAIN or not policy.cool_down:
        return False
    last = incident.judged_until + policy.cool_down
    back = any(s.drift and s.window in new and incident.since <= s.end <= last for s in verdicts)
    return back and episode_progress(verdicts, incident.since).steady < policy.clear_after


def severity(base: Severity, newest: SegmentEvidence) -> Severity:
    """Return the severity of an incident whose signal has the severity *base*, by its newest window of drift.

    One level more where an effect is :data:`LARGE_EFFECT` times its threshold, or where at least half of two or more
    judged segments drift.
    """
    far = any(_is_large_effect(e.finding) for e in newest.findings)
    wide = newest.segments > 1 and 2 * newest.drifted_segments >= newest.segments
    return base.next if far or wide else base


def _is_large_effect(finding: Finding) -> bool:
    effect, threshold = finding.effect, finding.threshold
    return effect is not None and threshold is not None and effect >= LARGE_EFFECT * threshold > 0
