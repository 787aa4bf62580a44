"""Order within a batch of reports: late windows first and together, then one window end after the other.

So one batch gives the same incidents as many, and no window is judged by a later one. In which order windows of the
same end come makes no difference, with one exception: where the first of them ends a decided incident, the next one
reopens it or opens another; if both come at once, it goes on.
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
"""The moment of late windows: before every window end."""


class StoredWindow(NamedTuple):
    """A window of one segment in a batch: its verdict on each signal *before* (None: it was not stored) and *after*."""

    window: Window
    segment: str
    before: Mapping[Signal, Verdict] | None
    after: Mapping[Signal, Verdict]


class VerdictChange(NamedTuple):
    """A window that ends at *end* and that late data changed from drift or to drift, in words."""

    end: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Moment:
    """The windows of a signal that are observed together.

    Parameters
    ----------
    at
        The end of the windows; :data:`START` for those that came late.
    new
        The windows that are observed for the first time.
    reached
        The end of the newest window of each stage before the batch.
    corrections
        Changes by late data from drift or to drift.
    """

    at: datetime
    new: frozenset[Window]
    reached: Mapping[Stage, datetime]
    corrections: tuple[VerdictChange, ...] = ()

    def observation(self, verdicts: Sequence[SignalVerdict]) -> Observation:
        """Return what there is to observe at this moment: of *verdicts*, those that are known by then."""
        by_then = [s for s in verdicts if s.end <= max(self.reached.get(s.stage, START), self.at)]
        return Observation(by_then, self.new, self.corrections)


def moments_by_signal(stored: Sequence[StoredWindow], reached: Mapping[Stage, datetime]) -> dict[Signal, list[Moment]]:
    """Return the moments of each signal, in order.

    Revisions and late windows, which end no later than the newest window of their stage before the batch, are one
    moment, the first. The others are one moment for each window end.

    Parameters
    ----------
    stored
        The windows of the batch.
    reached
        The end of the newest window of each stage before the batch.
    """
    by_signal: dict[Signal, dict[datetime, list[StoredWindow]]] = defaultdict(lambda: defaultdict(list))
    for one in stored:
        late = one.window.end <= reached.get(one.window.stage, START)
        for signal in {*(one.before or ()), *one.after}:
            by_signal[signal][START if late else one.window.end].append(one)
    return {
        signal: [_moment(at, signal, windows, reached) for at, windows in sorted(by_end.items())]
        for signal, by_end in by_signal.items()
    }


def _moment(at: datetime, signal: Signal, windows: Sequence[StoredWindow], reached: Mapping[Stage, datetime]) -> Moment:
    return Moment(at, frozenset(w.window for w in windows), reached, tuple(sorted(_corrections(signal, windows))))


def _corrections(signal: Signal, windows: Sequence[StoredWindow]) -> Iterator[VerdictChange]:
    for window, segment, before, after in windows:
        was, now = (before or {}).get(signal), after.get(signal)
        if before is not None and (was is Verdict.DRIFT) != (now is Verdict.DRIFT):
            where = f"{window.end:%Y-%m-%d %H:%M} {window.stage.value}{f' ({segment})' if segment else ''}"
            yield VerdictChange(window.end, f"{where}: {_words(was)}, now {_words(now)}")


def _words(verdict: Verdict | None) -> str:
    return verdict.value.replace("_", " ") if verdict else "not judged"
