"""The line a distance has to cross, from what chance does at these sizes and from what the baseline itself has done.

Promised: where slices are exchangeable and rows within them independent, one distance exceeds its line with about the
asked probability or less. Where the baseline's own windows differ by more than sampling, the line is raised to match:
their excess variance is added to the noise (a moment estimate, as DerSimonian and Laird 1986 do between studies), and
no window alarms that is nearer to the baseline than a run of its own was to the rest, where that was not chance.
Measured at 1 in 100, windows of 500 and 5,000 rows whose slices wobble by a tenth of a sd, 60 baseline slices: exceeded
1.1 to 1.5 times as often as asked, by chance's line alone 2 to 23 times; with 6 slices in runs of 2, 4 times.

Not promised: a rate over time (overlapping windows repeat one another), nor any rate for a series that trends, has a
season longer than the baseline, or a handful of runs only; the raised line is then a judgement, not a level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from monitors.stats import null_distribution
from monitors.stats.bins import CategoricalBins, Counts, NumericBins
from monitors.stats.distance import Distances, js_distance_log2


@dataclass(frozen=True)
class Threshold:
    """What has to be crossed, at one level and size.

    *value* is the line, *sampling* what chance alone reaches, *own* the largest distance of a run of the baseline from
    the rest that chance at the run's own size does not explain (0 if there is none).
    """

    value: float
    sampling: float
    historical: float


def figures(values: Mapping[str, float]) -> dict[str, float]:
    """Return *values* as a finding records them: to six decimals, without those that are not defined.

    Effects and lines are rounded like this before they are compared, so a verdict follows from the recorded numbers.

    >>> figures({"psi": 0.12345678, "auc": float("nan")})
    {'psi': 0.123457}
    """
    return {name: round(float(v), 6) for name, v in values.items() if math.isfinite(v)}


def compared(bins: NumericBins | CategoricalBins) -> list[int]:
    """Return the cells that distances compare: finite values from low to high, or categories and unseen ones.

    Missing and non-finite values are left to :mod:`monitors.quality.value_faults`.
    """
    return list(bins.ordered) if isinstance(bins, NumericBins) else list(range(bins.body + 1))


def runs(slices: Counts, length: int) -> Counts:
    """Return the counts of every run of *length* consecutive slices, (runs, cells); none below two runs' worth.

    >>> runs(np.array([[1], [2], [3], [4]]), 2).tolist()
    [[3], [5], [7]]
    >>> runs(np.array([[1], [2], [3]]), 2).shape
    (0, 1)
    """
    if len(slices) < 2 * length:
        return np.zeros((0, slices.shape[1]), np.int64)
    upto = np.vstack([np.zeros((1, slices.shape[1]), np.int64), np.cumsum(slices, axis=0)])
    return np.asarray(upto[length:] - upto[:-length])


@dataclass(frozen=True, eq=False)
class ReferenceWindows:
    """One variable of the baseline on its compared cells: the *total* and every window-length run, (runs, cells).

    *level* is the chance that a distance may exceed its line while nothing has changed.
    """

    total: Counts
    blocks: Counts
    level: float

    @cached_property
    def rows(self) -> int:
        """Values in the baseline."""
        return int(self.total.sum())

    @cached_property
    def largest(self) -> float:
        """The largest distance of a run from the rest of the baseline; 0 where there are no runs."""
        return float(self._distances.max(initial=0.0))

    @cached_property
    def own(self) -> float:
        """The largest of those that chance at the run's own size does not explain; 0 if there is none.

        The distance of a small run is mostly noise, and would be no measure for a large window.
        """
        return float(self._distances[self._distances**2 > self._of_runs[1]].max(initial=0.0))

    @cached_property
    def excess(self) -> float:
        """By how much the runs' mean squared distance exceeds what sampling explains; 0 at least."""
        more = self._distances**2 - self._of_runs[0]
        return max(0.0, float(more.mean())) if len(more) else 0.0

    def threshold(self, n: int) -> Threshold:
        """Return the line for a window of *n* rows. Both sides need a row at least."""
        chance = self.chance(n)
        swell = _quantile(chance, self.excess, self.level) / _quantile(chance, 0.0, self.level)
        return Threshold(max(chance.quantile * math.sqrt(swell), self.own), chance.quantile, self.own)

    def rows_needed(self, n: int, effect: float) -> tuple[int, int]:
        """Return (window rows, baseline rows) at which chance alone stays below *effect*, judged from *n* rows.

        The baseline's are its own if a larger window suffices; otherwise both are the same, larger number.
        """
        unit = (self.chance(n).quantile / effect) ** 2 / (1 / n + 1 / self.rows)
        if not unit:
            return 1, 1
        left = 1 / unit - 1 / self.rows
        if left > 0.1 / unit:  # a baseline just large enough would ask for endless windows
            return _round_up(1 / left), self.rows
        return _round_up(2 * unit), _round_up(2 * unit)

    def chance(self, n: int) -> null_distribution.NullDistribution:
        """Return the null of the distance of *n* rows."""
        return null_distribution.at_sizes(js_distance_log2, self._shares, n=n, m=self.rows, level=self.level)

    @cached_property
    def _shares(self) -> tuple[float, ...]:
        """The shares the null draws from, sorted: the distance does not mind the order, so more variables share one."""
        return tuple(sorted(null_distribution.smoothed_shares(self.total)))

    @cached_property
    def _usable(self) -> Counts:
        n = self.blocks.sum(axis=1)
        return np.asarray(self.blocks[(n > 0) & (n < self.rows)])

    @cached_property
    def _distances(self) -> Distances:
        return js_distance_log2(self.total - self._usable, self._usable)

    @cached_property
    def _of_runs(self) -> tuple[Distances, Distances]:
        """The mean and the quantile of each run's squared distance by chance, from those of the run in the middle."""
        n = self._usable.sum(axis=1)
        units = 1 / n + 1 / (self.rows - n)
        if len(n) == 0:
            return units, units
        middle = int(np.median(n))
        chance = self.chance(middle)
        units = units / (1 / middle + 1 / self.rows)
        return chance.mean_square * units, chance.quantile**2 * units


def reference_windows(slices: Counts, cells: list[int], *, length: int, level: float) -> ReferenceWindows:
    """Return the reference of one variable from its *slices* (slices, all cells), for windows of *length* slices."""
    kept = slices[:, cells] if len(slices) else np.zeros((0, len(cells)), np.int64)
    return ReferenceWindows(kept.sum(axis=0), runs(kept, length), level)


def _round_up(rows: float) -> int:
    """Round up to two digits: a sample size is a plan, not a measurement."""
    step = math.pow(10, max(0, math.floor(math.log10(rows)) - 1))
    return round(math.ceil(rows / step) * step)


def _quantile(chance: null_distribution.NullDistribution, excess: float, level: float) -> float:
    """Return the quantile of the squared distance when windows also differ by *excess* along one direction.

    By chance the square is about ``s chi2(k)``; a wobble of variance *excess* along any one direction makes it
    ``(s + excess) chi2(1) + s chi2(k - 1)``, whose tail Pearson's three moments give (Imhof 1961, within 7 %).
    """
    if not chance.variance_square:
        return 1.0  # one cell can hold anything at all: there is no noise to swell
    s = chance.variance_square / (2 * chance.mean_square)
    k = chance.mean_square / s
    one, two, three = (s**i * (k - 1) + (s + excess) ** i for i in (1, 2, 3))
    chi2 = 2 * special.gammainccinv(two**3 / three**2 / 2, level)
    return float(one + three / two * (chi2 - two**3 / three**2))
