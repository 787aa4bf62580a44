"""Between-window variance of several variables at once, along a direction of each that differs from window to window.

Of the stretches of a baseline only sums of products matter: they are quadratic forms of the direction, whose matrices
follow from the baseline and are made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitors.stats.between_windows import CLEARLY_LESS, Moments, Stretches, student_stretch
from monitors.stats.distance import Distances


@dataclass(frozen=True, eq=False)
class StackedStretches:
    """Stretches of one length of several variables; where a variable has none, *runs* is 0.

    Parameters
    ----------
    squares
        Sums of products of a stretch's differences in two cells, (variables, cells, cells).
    lagged
        Those of a stretch with the next one that does not overlap.
    runs, units
        Number of stretches, and their sum of ``1/n + 1/m``, (variables,).
    rows, stretch
        Rows of a window in the median, and what a variance is multiplied by for Student's t, (variables,).
    length, window
        Slices of a stretch, and of a window.
    """

    squares: Distances
    lagged: Distances
    runs: Distances
    units: Distances
    rows: Distances
    stretch: Distances
    length: int
    window: int

    def moments(self, code: Distances) -> Moments:
        """Return the moments along *code*, (variables, cells)."""
        squares, lagged = (((form @ code[..., None])[..., 0] * code).sum(axis=-1) for form in (self.squares, self.lagged))
        return Moments(squares, lagged, np.maximum(self.runs, 1), self.units)


@dataclass(frozen=True, eq=False)
class StackedVariance:
    """How much windows differ, (variables,) each: see :class:`.BetweenWindows`; *length* is 0 where that is not known."""

    variance: Distances
    rows: Distances
    growth: Distances
    stretch: Distances
    length: npt.NDArray[np.int64]

    def widened(self, variance: Distances, n: Distances) -> Distances:
        """Return a between-window *variance* in windows of *n* rows: it rises in small ones, and does not fall."""
        return np.asarray(variance * np.maximum(1.0, self.rows / n))


def stacked_stretches(variables: Sequence[Sequence[Stretches]], cells: int, window: int) -> tuple[StackedStretches, ...]:
    """Return the stretches of all variables, single slices first, on *cells* cells each."""
    return tuple(_stacked([_of(parts, length) for parts in variables], cells, length, window) for length in
                 sorted({1, window}))  # fmt: skip


def along(parts: Sequence[StackedStretches], code: Distances, row_variance: Distances) -> StackedVariance:
    """Return the between-window variance of each variable along its *code*: as :func:`.between_windows.between_windows`.

    Parameters
    ----------
    parts
        What :func:`stacked_stretches` returned.
    code
        The weight of each cell, (variables, cells).
    row_variance
        The variance of the code in one row, (variables,).
    """
    zero = np.zeros(len(code))
    best = StackedVariance(zero, zero, zero + 1, zero + 1, np.zeros(len(code), np.int64))
    left_open = zero + np.inf
    for part in parts:
        variance, sampling, growth = part.moments(code).variance(row_variance, part.length, part.window)
        left = (sampling + variance) * part.stretch
        better = (part.runs > 0) & ((best.length == 0) | (left < CLEARLY_LESS * left_open))
        pairs = ((variance, best.variance), (part.rows, best.rows), (growth, best.growth), (part.stretch, best.stretch))
        best = StackedVariance(
            *(np.where(better, new, old) for new, old in pairs), np.where(better, part.length, best.length)
        )
        left_open = np.where(better, left, left_open)
    return best


def _of(parts: Sequence[Stretches], length: int) -> Stretches | None:
    return next((part for part in parts if part.length == length), None)


def _stacked(parts: Sequence[Stretches | None], cells: int, length: int, window: int) -> StackedStretches:
    squares, lagged = (np.zeros((len(parts), cells, cells)) for _ in range(2))
    runs, units, rows, stretch = np.zeros((4, len(parts)))
    for at, part in enumerate(parts):
        if part is None:
            continue
        of, k = part.differences, part.differences.shape[1]
        squares[at, :k, :k] = of.T @ of
        if len(of) > length:
            lagged[at, :k, :k] = of[length:].T @ of[:-length]
        runs[at], units[at], rows[at] = len(of), part.units.sum(), part.rows
        stretch[at] = student_stretch(part.degrees)
    return StackedStretches(squares, lagged, runs, units, rows, stretch, length, window)
