"""A batch of reports put in order: first what came late, then one window end after the other, as if they had come so.

So one batch is as good as many, and no window is judged by what came after it. Windows of one end count alike,
whichever comes first, with one exception: a decided incident that the first of them ends is told to have ended, and
what the next one tells continues it or begins another; both at once, it goes on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from features.window import UTC
from monitors.finding import Signal, Stage, Verdict
from registry.incidents.incident_rules import SignalVerdict, Window
from registry.incidents.lifecycle import Observation

START = datetime.min.replace(tzinfo=UTC)
"""Before every window."""


class StoredWindow(NamedTuple):
    """A window of one segment in a batch: what it told of each signal *before* (None: it was not there) and *after*."""

    window: Window
    segment: str
    before: Mapping[Signal, Verdict] | None
    after: Mapping[Signal, Verdict]


class VerdictChange(NamedTuple):
    """A window that ends at *end* and drifts no longer, or does now, in words."""

    end: datetime
    words: str


@dataclass(frozen=True, slots=True)
class ReplayMoment:
    """The *new* windows of a signal to be looked at together, and the end up to which each stage is known by then."""

    at: datetime
    new: frozenset[Window]
    reached: Mapping[Stage, datetime]
    corrections: tuple[VerdictChange, ...] = ()

    def observation(self, steps: Sequence[SignalVerdict]) -> Observation:
        """Return what there is to observe at this moment: of *steps*, those that are known by then."""
        by_then = [s for s in steps if s.end <= max(self.reached.get(s.stage, START), self.at)]
        return Observation(by_then, self.new, self.corrections)


def replay_moments(seen: Sequence[StoredWindow], reached: Mapping[Stage, datetime]) -> dict[Signal, list[ReplayMoment]]:
    """Return each signal's moments in order; *reached* is the end of the newest window of each stage before the batch.

    Revisions and late windows, which end no later than that, are one moment: the first. Those after it are one an end.
    """
    by_signal: dict[Signal, dict[datetime, list[StoredWindow]]] = defaultdict(lambda: defaultdict(list))
    for one in seen:
        late = one.window.end <= reached.get(one.window.stage, START)
        for signal in {*(one.before or ()), *one.after}:
            by_signal[signal][START if late else one.window.end].append(one)
    return {
        signal: [_moment(at, signal, some, reached) for at, some in sorted(by_end.items())]
        for signal, by_end in by_signal.items()
    }


def _moment(
    at: datetime, signal: Signal, seen: Sequence[StoredWindow], reached: Mapping[Stage, datetime]
) -> ReplayMoment:
    return ReplayMoment(at, frozenset(s.window for s in seen), reached, tuple(sorted(_corrections(signal, seen))))


def _corrections(signal: Signal, seen: Sequence[StoredWindow]) -> Iterator[VerdictChange]:
    for window, segment, before, after in seen:
        was, now = (before or {}).get(signal), after.get(signal)
        if before is not None and (was is Verdict.DRIFT) != (now is Verdict.DRIFT):
            where = f"{window.end:%Y-%m-%d %H:%M} {window.stage.value}{f' ({segment})' if segment else ''}"
            yield VerdictChange(window.end, f"{where}: {_words(was)}, now {_words(now)}")


def _words(verdict: Verdict | None) -> str:
    return verdict.value.replace("_", " ") if verdict else "not judged"
