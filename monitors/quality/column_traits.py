"""Column traits: whether a baseline column is constant, few-valued, piecewise constant, trending, or of steady level.

A fault of values is what no change of the world explains, and that depends on what kind of column it is. A season's
code, a holiday flag, a running number or a column that was constant so far takes new values, or one value for weeks,
while nothing is broken: such changes are drift. Only counts on the baseline's bins are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from monitors.stats.bins import CategoricalBins, Counts, NumericBins

FEW_VALUES = 12
"""A column with at most this many different values is taken for a code (months, weekdays, grades, flags)."""
MIN_SPREAD_BINS = 3
"""A measured quantity has rows in at least this many bins of more than one value; fewer show no shape."""
MIN_SPREAD_SHARE = 0.5
"""At least this share of a measured quantity's rows is in bins of more than one value."""
CONSTANT_SHARE = 0.9
"""A slice counts as constant if one cell has more than this share of its values."""
MIN_SLICE_ROWS = 10
"""Slices with fewer values do not show whether a column is constant within them."""
TREND = 0.9
"""Rank correlation (Spearman) of slice level and time from which on a column trends: a counter, a running number."""
MIN_TREND_SLICES = 8
"""Slices below which no trend is looked for: of five random levels one in 60 orders is as monotone."""
STEADY_LEVEL = 0.7
"""Largest sd of slice levels beyond sampling, in normal scores (sd of one row), at which the level is steady: half of
the variance of rows is within slices. A season, or a price that goes its way, has most of it between slices."""
MIN_STEADY_SLICES = 10
"""Slices that a steady level needs: fewer do not show how far it moves."""
MIN_REPLACED_ROWS = 10
"""A category with so many rows that is absent from one half of the baseline is so by chance once in 500 (2^-9)."""
ABSENT_BY_CHANCE = 1e-3
"""Chance below which an absence, or new values at the ends, show that a vocabulary turns over."""
TURNOVER = 0.05
"""Share of rows in categories that only one half of the baseline has, from which on a vocabulary turns over."""


@dataclass(frozen=True, eq=False)
class ColumnTraits:
    """What kind of column a baseline has, by its counts.

    Parameters
    ----------
    bins
        The column's bins.
    slices
        Its counts by slice, oldest first, (slices, cells).
    """

    bins: NumericBins | CategoricalBins
    slices: Counts

    @cached_property
    def total(self) -> Counts:
        """The counts of all slices together, (cells,)."""
        return np.asarray(self.slices.sum(axis=0))

    @property
    def present(self) -> list[int]:
        """The cells of values that are there, numbers from low to high."""
        return list(self.bins.ordered) if isinstance(self.bins, NumericBins) else list(range(self.bins.body + 1))

    @property
    def is_constant(self) -> bool:
        """Whether at most one value was there."""
        return self.distinct_values <= 1

    @property
    def is_few_valued(self) -> bool:
        """Whether there were at most :data:`FEW_VALUES` different values, as far as the bins show."""
        return self.distinct_values <= FEW_VALUES

    @cached_property
    def distinct_values(self) -> float:
        """The most different values that the bins allow the column to have had; infinite if they set no limit.

        The borders of a number's bins are quantiles, so those of a code are whole multiples of its step.
        """
        if isinstance(self.bins, CategoricalBins):
            return len(self.bins.categories) + len(self.bins.others)
        return _grid_size(self.bins)

    @cached_property
    def is_constant_within_slices(self) -> bool:
        """Whether most slices have a single value (nearly), as a column has that changes by day, week or season."""
        there = self.slices[:, self.present]
        rows = there.sum(axis=1)
        enough = rows >= MIN_SLICE_ROWS
        if not enough.any():
            return False
        return float(np.median(there[enough].max(axis=1) / rows[enough])) > CONSTANT_SHARE

    @cached_property
    def is_measured(self) -> bool:
        """Whether it is a quantity with a shape: many values, spread over several bins, and varying within slices."""
        if not isinstance(self.bins, NumericBins) or self.is_few_valued or self.is_constant_within_slices:
            return False
        body = self.total[: self.bins.body]
        wide = ~_single(self.bins) & (body > 0)
        return bool(wide.sum() >= MIN_SPREAD_BINS and body[wide].sum() >= MIN_SPREAD_SHARE * body.sum())

    @cached_property
    def is_trending(self) -> bool:
        """Whether the level of a number rises or falls all through the baseline, as of a counter or a running number.

        Values beyond the baseline's range are then to be expected.
        """
        levels, _ = self._levels
        if len(levels) < MIN_TREND_SLICES or np.ptp(levels) == 0:
            return False
        return bool(abs(stats.spearmanr(np.arange(len(levels)), levels).statistic) >= TREND)

    @cached_property
    def is_steady(self) -> bool:
        """Whether a number varies within slices, not from one to the next: no season, no random walk, no trend."""
        levels, rows = self._levels
        if len(levels) < MIN_STEADY_SLICES or self.is_trending:
            return False
        return bool(levels.var() <= STEADY_LEVEL**2 + 2 * (1 / rows).mean())

    @cached_property
    def turns_over(self) -> bool:
        """Whether categories give way to others, or new ones come beside them: products, campaigns, a catalogue.

        Three signs, as a vocabulary is replaced fast or slowly: categories that one half of the baseline has only, ones
        that come late or go early, and more values at its ends that no other slice has.
        """
        if not isinstance(self.bins, CategoricalBins) or len(self.slices) < 2:
            return False
        return self._is_replaced(self.bins.body - 1) or self._comes_and_goes(self.bins.body - 1) or (
            self._is_new_at_the_ends(self.bins.body))  # fmt: skip

    def _comes_and_goes(self, top: int) -> bool:
        """Whether frequent categories are absent from the first or last slices for longer than chance explains.

        A category that s of R slices have at random is in none of the first a with probability (1 - a / R)^s or less.
        """
        there, count = self.slices[:, :top] > 0, len(self.slices)
        first, last = there.argmax(axis=0), there[::-1].argmax(axis=0)
        by_chance = 2 * (1 - np.maximum(first, last) / count) ** there.sum(axis=0)
        moving = there.any(axis=0) & (by_chance < ABSENT_BY_CHANCE)
        return bool(self.slices[:, :top][:, moving].sum() > TURNOVER * max(self.slices[:, :top].sum(), 1))

    def _is_new_at_the_ends(self, unseen: int) -> bool:
        """Whether the first and last slices have more values that no other slice has than those between them.

        Where values come and go, those of the last slices may have just come, and those of the first be about to go.
        """
        rows, count = self.slices[:, : unseen + 1].sum(axis=1), len(self.slices)
        size = max(count // 10, 1)
        ends = np.r_[:size, count - size : count]
        new, part = self.slices[:, unseen], rows[ends].sum() / max(rows.sum(), 1)
        if count < MIN_STEADY_SLICES or not new[ends].sum():
            return False
        return bool(special.bdtrc(new[ends].sum() - 1, new.sum(), part) < ABSENT_BY_CHANCE)

    def _is_replaced(self, top: int) -> bool:
        """Whether categories of one half of the baseline give way to others in the other."""
        cells = self.slices[:, :top]
        half = int(np.searchsorted(np.cumsum(cells.sum(axis=1)), cells.sum() / 2)) + 1
        first, last = cells[:half].sum(axis=0), cells[half:].sum(axis=0)
        replaced = ((first == 0) | (last == 0)) & (first + last >= MIN_REPLACED_ROWS)
        return bool(cells[:, replaced].sum() > TURNOVER * max(cells.sum(), 1))

    @cached_property
    def _levels(self) -> tuple[npt.NDArray[np.float64], Counts]:
        """Mean normal score of each slice that has values, and its number of values, (slices,) each."""
        present = self.slices[:, self.present]
        present = present[present.sum(axis=1) > 0]
        pooled = present.sum(axis=0)
        rows = present.sum(axis=1)
        if not len(present):
            return np.zeros(0), rows
        score = special.ndtri((np.cumsum(pooled) - pooled / 2 + 0.5) / (pooled.sum() + 1))
        return present @ score / rows, rows


def _single(bins: NumericBins) -> npt.NDArray[np.bool_]:
    """Return which bins have a single value, (bins,)."""
    edges = np.array(bins.edges)
    return np.asarray(edges[1:] <= np.nextafter(edges[:-1], np.inf))


def _grid_size(bins: NumericBins) -> float:
    """Return how many points the coarsest grid through all borders has; infinite where they lie on none that is coarse.

    >>> _grid_size(NumericBins(edges=(1.0, 2.0, 4.0))), _grid_size(NumericBins(edges=(3.0, 3.0)))
    (4, 1)
    >>> _grid_size(NumericBins(edges=(0.0, 0.71, 1.13, 2.9)))
    inf
    """
    edges = np.array(bins.edges)
    width = edges[-1] - edges[0]
    if width <= 0:
        return 1
    gaps = np.diff(edges)
    gaps = gaps[gaps > width * 1e-9]
    steps = (edges - edges[0]) / gaps.min()
    on_grid = np.abs(steps - np.round(steps)) < 1e-6
    return int(np.round(width / gaps.min())) + 1 if on_grid.all() and len(gaps) else np.inf
