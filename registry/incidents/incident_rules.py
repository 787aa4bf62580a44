"""An episode of drift as its windows tell it: when it opens, how far it has come, when it is over.

Pure, and a function of what is stored: the same windows give the same episode, in whatever order they came to be known.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import NamedTuple

from monitors.report import DriftEvidence, Finding, Report, Signal, Stage, Verdict
from monitors.signals import Severity
from registry.config import IncidentPolicy, OpenAfter
from registry.records import Incident

FAR = 3.0
"""An effect this many times its threshold is one level worse than the signal's own severity."""
STEADY_AGAIN = "steady again"
"""The resolution of an episode that has cleared; only one of these can be continued."""
CORRECTED = "corrected by late data"
"""The resolution of an episode that nobody had acted on when its last window of drift was revised away."""


class Window(NamedTuple):
    """A window of one stage, whatever its segment."""

    end: datetime
    stage: Stage


class SignalVerdict(NamedTuple):
    """What a window says of a signal, all segments together; one that could not be judged is no step."""

    end: datetime
    stage: Stage
    drift: bool

    @property
    def window(self) -> Window:
        """The window that it is about."""
        return Window(self.end, self.stage)


@dataclass(frozen=True, slots=True)
class EpisodeProgress:
    """How far an episode has come.

    *windows* is the number of window ends that drifted, from *first* to *last*, which are None where none is left.
    *steady* is the number of steady windows since, in the stage that has fewest of them; *until* is the end of the
    newest window judged, None before any.
    """

    windows: int
    first: datetime | None
    last: datetime | None
    steady: int
    until: datetime | None


class SegmentEvidence(NamedTuple):
    """The evidence of one window end: drift findings, and how many of its judged segments drifted."""

    findings: Sequence[DriftEvidence]
    segments: int
    drifted_segments: int


NOTHING = SegmentEvidence((), 0, 0)


def signal_verdicts(report: Report) -> dict[Signal, Verdict]:
    """Return the verdict on each signal that *report* tells of: drift over steady over not enough evidence.

    A report that judged anything and names no fault tells that the quality is steady: outcomes have no finding for it.
    """
    worst: dict[Signal, Verdict] = {}
    for finding in report.findings:
        verdicts = {worst.get(finding.signal), finding.verdict}
        worst[finding.signal] = next(v for v in _WORST_FIRST if v in verdicts)
    if report.verdict is not Verdict.NOT_ENOUGH:
        worst.setdefault(Signal.QUALITY, Verdict.STEADY)
    return worst


_WORST_FIRST = (Verdict.DRIFT, Verdict.STEADY, Verdict.NOT_ENOUGH)


def episode_progress(steps: Sequence[SignalVerdict], since: datetime) -> EpisodeProgress:
    """Return the course over *steps*, oldest first, of the episode that began with the window that ends at *since*.

    Each stage that drifted must tell steady by itself. Where no drift is left, every stage must.
    """
    inside = [s for s in steps if s.end >= since]
    drifted = sorted({s.end for s in inside if s.drift})
    stages = {s.stage for s in inside if s.drift} or {s.stage for s in inside}
    return EpisodeProgress(
        windows=len(drifted),
        first=drifted[0] if drifted else None,
        last=drifted[-1] if drifted else None,
        steady=min((_trailing(inside, stage) for stage in stages), default=0),
        until=max((s.end for s in inside), default=None),
    )


def _trailing(steps: Sequence[SignalVerdict], stage: Stage) -> int:
    """Return how many windows of *stage* were steady since it drifted, or all of them."""
    newest_first = (s for s in reversed(steps) if s.stage == stage)
    return sum(1 for _ in takewhile(lambda s: not s.drift, newest_first))


def opening(steps: Sequence[SignalVerdict], new: Set[Window], rule: OpenAfter) -> list[datetime]:
    """Return the ends of the windows that open an episode, oldest first; none if none opens.

    An episode opens in a stage whose newest judged window drifts, as does *rule*'s number of its last ones, when any of
    these is in *new*: what lies further back is past, and raises no alarm. Stages in which that is the window of the
    same end open it together, with all their windows; of others, the one that opens first counts.
    """
    found = [drifted for stage in sorted({s.stage for s in steps}) if (drifted := _opening(steps, stage, new, rule))]
    first = min((drifted[-1] for drifted in found), default=None)
    return sorted({end for drifted in found if drifted[-1] == first for end in drifted})


def _opening(steps: Sequence[SignalVerdict], stage: Stage, new: Set[Window], rule: OpenAfter) -> list[datetime]:
    recent = [s for s in steps if s.stage == stage][-rule.of :]
    drifted = [s.end for s in recent if s.drift]
    opens = recent[-1].drift and len(drifted) >= rule.windows and any(s.window in new for s in recent)
    return drifted if opens else []


def beginning(begun: Sequence[datetime], counted: datetime | None) -> datetime:
    """Return the end of the first window of the episode that windows with the ends *begun*, oldest first, open.

    What an earlier incident has *counted*, up to that moment, is not counted again.
    """
    return min((end for end in begun if counted is None or end > counted), default=begun[-1])


def earlier(incident: Incident, steps: Sequence[SignalVerdict], new: Set[Window], rule: OpenAfter) -> list[datetime]:
    """Return the ends of the windows that would have opened a live *incident*, had its *new* ones come as it opened.

    Only a window that ends when the one that opened it does can: it is chance which stage's comes first, and another
    may have begun to drift before. None where no such window is new, or its stage would have opened nothing.
    """
    same = {window for window in new if window.end == incident.opened_at}
    return opening([s for s in steps if s.end <= incident.opened_at], same, rule)


def continues(incident: Incident, steps: Sequence[SignalVerdict], new: Set[Window], policy: IncidentPolicy) -> bool:
    """Return whether one of the *new* windows makes an *incident* that has cleared go on.

    It does by drifting at most the cool-down after the episode cleared, unless the episode is over all the same.
    """
    if incident.resolution != STEADY_AGAIN or not policy.cool_down:
        return False
    last = incident.judged_until + policy.cool_down
    back = any(s.drift and s.window in new and incident.since <= s.end <= last for s in steps)
    return back and episode_progress(steps, incident.since).steady < policy.clear_after


def severity(base: Severity, newest: SegmentEvidence) -> Severity:
    """Return how bad a signal of severity *base* is whose newest window of drift is *newest*.

    One level more where an effect is :data:`FAR` beyond its threshold, or at least half of the segments drift (where
    there are two or more: one says nothing about breadth).
    """
    far = any(_is_large_effect(e.finding) for e in newest.findings)
    wide = newest.segments > 1 and 2 * newest.drifted_segments >= newest.segments
    return base.next if far or wide else base


def _is_large_effect(finding: Finding) -> bool:
    effect, threshold = finding.effect, finding.threshold
    return effect is not None and threshold is not None and effect >= FAR * threshold > 0
