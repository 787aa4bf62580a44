"""Training windows that compete: how far back the rows reach that a model is fitted on.

A long window has more rows, a short one has rows that are more like those to come. Which is better depends on the data,
so each is tried on later rows (:mod:`retrain_flows.training.forward_validation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from features.scoring import Floats
from features.window import format_span, from_ms, to_ms
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import sample_weights

SHORTER = 2
"""Shorter windows that are tried beside that of the project file. Each is half as long as the one before, which halves
the age of the mean row. On the hourly bike rentals of docs/backtest.md half of a year is as much better than all of it
as a quarter of all refits."""


@dataclass(frozen=True, slots=True)
class TrainingWindow:
    """A rule for the rows to train on.

    Parameters
    ----------
    name
        The window in words.
    length
        Rows of so long before the moment of training are used.
    since
        No row before this event time is used; None: any.
    change
        All rows before this event time count at most as much as all rows since; None: they count as they are.
    """

    name: str
    length: timedelta
    since: datetime | None = None
    change: datetime | None = None

    def rows(self, data: Dataset, until: datetime) -> Dataset:
        """Return the rows to train on at a moment: those in the window before it."""
        start = until - self.length
        start = max(start, self.since) if self.since else start
        return data.split(until)[0].split(start)[1]

    def weights(self, rows: Dataset) -> Floats | None:
        """Return the weights of its rows, (rows,); None where all count alike."""
        return None if self.change is None else sample_weights.shared(rows.times, to_ms(self.change))


def candidates(
    data: Dataset, longest: timedelta, until: datetime, change: datetime | None, *, weighted: bool = False
) -> list[TrainingWindow]:
    """Return the windows to try, the longest first; those that would hold the same rows only once.

    Parameters
    ----------
    data
        The labelled rows.
    longest
        Length of the window of the project file. It is halved until a window leaves rows of the history out.
    until
        The moment of training.
    change
        The change point, where one was estimated: the rows since then are a candidate.
    weighted
        Whether rows before the change count less in the longest window.
    """
    lengths = [longest, *_shorter(longest, _reach(data, until))]
    windows = [TrainingWindow(f"the last {format_span(length)}", length) for length in lengths]
    if change is not None:
        if weighted:
            name = f"{windows[0].name}, rows before the change of {change:%Y-%m-%d %H:%M} weighted down"
            windows[0] = TrainingWindow(name, longest, change=change)
        windows.append(TrainingWindow(f"since the change of {change:%Y-%m-%d %H:%M}", longest, since=change))
    distinct: dict[int, TrainingWindow] = {}
    for window in windows:
        distinct.setdefault(len(window.rows(data, until)), window)
    distinct.pop(0, None)
    return list(distinct.values())


def _shorter(longest: timedelta, reach: timedelta) -> list[timedelta]:
    """Return the lengths of the shorter windows for rows that reach so far back.

    >>> [str(length) for length in _shorter(timedelta(days=364), timedelta(days=60))]
    ['45 days, 12:00:00', '22 days, 18:00:00']
    """
    length = longest / 2
    while reach and length >= reach:
        length /= 2
    return [length / 2**k for k in range(SHORTER)]


def _reach(data: Dataset, until: datetime) -> timedelta:
    """Return how far rows reach back from a moment; nothing without rows."""
    return until - from_ms(int(data.times[0])) if len(data) else timedelta(0)
