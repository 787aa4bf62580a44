"""Reference windows of several variables at once: null distributions and thresholds of their distances as arrays.

What :class:`.ReferenceWindows` is for one variable. All that follows from the baseline is made once; null draws are
looked up by window sizes to the half octave, in a table that fills as sizes occur.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitors.stats import null_distribution
from monitors.stats.bins import Counts
from monitors.stats.distance import Distances, js_distance_log2
from monitors.stats.null_distribution import NullDistribution
from monitors.stats.stacked_stretches import StackedStretches
from monitors.stats.threshold import ReferenceWindows

Flags = npt.NDArray[np.bool_]


class Thresholds(NamedTuple):
    """The threshold of each variable, (variables,): see :class:`.Threshold`."""

    value: Distances
    sampling: Distances
    historical: Distances


@dataclass(frozen=True, eq=False)
class StackedWindows:
    """The reference windows of several *variables*, of one level and window length."""

    variables: Sequence[ReferenceWindows]
    _draws: dict[int, Distances] = field(default_factory=dict, repr=False)

    @cached_property
    def totals(self) -> Counts:
        """Counts of the whole baseline, (variables, cells), padded with empty cells."""
        out = np.zeros((len(self.variables), max((len(v.total) for v in self.variables), default=0)), np.int64)
        for row, variable in enumerate(self.variables):
            out[row, : len(variable.total)] = variable.total
        return out

    @cached_property
    def rows(self) -> Counts:
        """Number of values in the baseline, (variables,)."""
        return np.asarray(self.totals.sum(axis=1))

    @cached_property
    def slices(self) -> list[int]:
        """Number of the baseline's slices, of each variable."""
        return [len(v.slices) for v in self.variables]

    @cached_property
    def historical_max(self) -> Distances:
        """The largest distance of a run from the rest of the baseline, (variables,)."""
        return np.array([v.historical_max for v in self.variables])

    @cached_property
    def _judged(self) -> tuple[Distances, Distances]:
        """Between-window variance and the largest unexplained distance of runs, (variables,); 0 without rows."""
        pairs = [(v.excess, v.unexplained_max) if v.rows else (0.0, 0.0) for v in self.variables]
        excess, unexplained = np.array(pairs).reshape(-1, 2).T
        return excess, unexplained

    @cached_property
    def _excess_of_slices(self) -> Distances:
        """Between-window variance of windows of one slice, (variables,); NaN until it is asked for."""
        return np.full(len(self.variables), np.nan)

    @cached_property
    def stretches(self) -> StackedStretches:
        """Stretches of their slices, for intervals."""
        return StackedStretches([v.stretches if len(v.slices) else () for v in self.variables], self._length)

    @cached_property
    def _length(self) -> int:
        return self.variables[0].length if self.variables else 1

    def chance(self, n: Counts, judged: Flags) -> NullDistribution:
        """Return the null distributions of windows of *n* rows, (variables,); NaN for those that are not *judged*."""
        drawn, sizes = np.full((3, len(n)), np.nan), null_distribution.half_octave(np.maximum(n, 1))
        for size in set(sizes[judged].tolist()):
            at = judged & (sizes == size)
            drawn[:, at] = self._drawn(size, at)[:, at]
        near = 1 / sizes + 1 / self._near_rows
        stretch = (1 / np.maximum(n, 1) + 1 / np.maximum(self.rows, 1)) / near
        mean, variance, upper = drawn
        return NullDistribution(mean * stretch, variance * stretch**2, np.sqrt(upper * stretch))

    @cached_property
    def _near_rows(self) -> Counts:
        return null_distribution.half_octave(np.maximum(self.rows, 1))

    def _drawn(self, size: int, wanted: Flags) -> Distances:
        """Return the draws at a window size, (3, variables): mean, variance and quantile; NaN of those not wanted."""
        table = self._draws.setdefault(size, np.full((3, len(self.variables)), np.nan))
        for row in np.flatnonzero(wanted & np.isnan(table[0])):
            v, m = self.variables[row], int(self._near_rows[row])
            table[:, row] = null_distribution.drawn(js_distance_log2, v.shares, n=size, m=m, level=v.level)
        return table

    def thresholds(self, chance: NullDistribution) -> Thresholds:
        """Return the thresholds where *chance* is the null distribution at the window's size."""
        excess, unexplained = self._judged
        sampling = np.asarray(chance.quantile)
        level = self.variables[0].level if self.variables else 0.0
        inflated = sampling * np.sqrt(chance.inflation(excess, level))
        return Thresholds(np.maximum(inflated, unexplained), sampling, unexplained)

    def excess(self, length: npt.NDArray[np.int64]) -> Distances:
        """Return the between-window variance of windows of *length* slices, (variables,); 0 where that is 0."""
        single = (length > 0) & (length != self._length)
        for row in np.flatnonzero(single & np.isnan(self._excess_of_slices)):
            self._excess_of_slices[row] = self.variables[row].of_slices.excess
        return np.where(length == 0, 0.0, np.where(single, self._excess_of_slices, self._judged[0]))
