"""Threshold of a distance at the actual sample sizes: sampling noise, between-window variance, and historical windows.

At one level and size it is the larger of two numbers: the quantile of the null distribution, inflated by the variance
between the baseline's own windows beyond sampling (a moment estimate, as between studies in a meta-analysis); and the
largest distance of a window of the baseline from the rest that sampling does not explain.

Where slices are exchangeable and rows within them independent, one distance exceeds its threshold with about the chosen
probability or less. Measured at 0.01 for windows of 500 and 5,000 rows whose slice means vary by a tenth of a sd, with
60 baseline slices: exceeded 1.1 to 1.5 times as often, by the null distribution alone 2 to 23 times; with 6 slices and
windows of 2, 4 times. There is no rate over time (overlapping windows repeat one another: that is for
:mod:`monitors.sequential.monitor`), nor any rate for a series that trends, has a season longer than the baseline, or
has a handful of windows only.

References
----------
DerSimonian and Laird (1986), "Meta-analysis in clinical trials", Controlled Clinical Trials 7(3).
Imhof (1961), "Computing the distribution of quadratic forms in normal variables", Biometrika 48.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from monitors.stats import null_distribution
from monitors.stats.between_windows import Stretches, stretches
from monitors.stats.bins import CategoricalBins, Counts, NumericBins
from monitors.stats.distance import Distances, js_distance_log2

MIN_WINDOW_SHARE = 0.1
"""A larger window is advised only where at least this part of the sampling variance is left to it; otherwise the
baseline is what is too small, and a window for it would have to be more than ten times as large as needed."""


@dataclass(frozen=True)
class Threshold:
    """The threshold of a distance at one level and window size.

    Parameters
    ----------
    value
        What a distance has to exceed.
    sampling
        The quantile of the null distribution: what sampling alone exceeds with the probability of the level.
    historical
        :attr:`ReferenceWindows.unexplained_max`.
    """

    value: float
    sampling: float
    historical: float


def figures(values: Mapping[str, float]) -> dict[str, float]:
    """Return metrics as a finding records them: to six decimals, without those that are not finite.

    Effects and thresholds are rounded like this before they are compared, so a verdict follows from the recorded
    numbers.

    >>> figures({"psi": 0.12345678, "auc": float("nan")})
    {'psi': 0.123457}
    """
    return {name: round(float(v), 6) for name, v in values.items() if math.isfinite(v)}


def compared(bins: NumericBins | CategoricalBins) -> list[int]:
    """Return the indices of the cells that distances compare: finite values from low to high, or categories and unseen.

    Missing and non-finite values are left to :mod:`monitors.quality.value_faults`.
    """
    return list(bins.ordered) if isinstance(bins, NumericBins) else list(range(bins.body + 1))


def runs(slices: Counts, length: int) -> Counts:
    """Return the counts of every window of *length* consecutive slices, (slices - length + 1, cells).

    Empty below twice as many slices as a window has: then the rest of the baseline would be smaller than the window.

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
    """One variable of the baseline, pooled and in windows of the length that is monitored.

    Parameters
    ----------
    total
        Counts of the whole baseline on the compared cells, (cells,).
    runs
        Counts of every run of slices as long as a window, (runs, cells); no rows where the baseline is too short.
    level
        Probability that a distance exceeds its threshold while nothing has changed.
    slices
        Counts of every slice, (slices, cells).
    length
        Slices that a window has.
    """

    total: Counts
    runs: Counts
    level: float
    slices: Counts = field(default_factory=lambda: np.zeros((0, 1), np.int64))
    length: int = 1

    @cached_property
    def rows(self) -> int:
        """Number of values in the baseline."""
        return int(self.total.sum())

    @cached_property
    def historical_max(self) -> float:
        """The largest distance of a run from the rest of the baseline; 0 without runs."""
        return float(self._distances.max(initial=0.0))

    @cached_property
    def unexplained_max(self) -> float:
        """The largest distance of a run from the rest that sampling at the run's own size does not explain, or 0.

        The distance of a small run is mostly noise, and would be no measure for a large window.
        """
        return float(self._distances[self._distances**2 > self._chance_of_runs[1]].max(initial=0.0))

    @cached_property
    def excess(self) -> float:
        """Between-window variance: by how much the runs' mean squared distance exceeds its mean by sampling, or 0."""
        more = self._distances**2 - self._chance_of_runs[0]
        return max(0.0, float(more.mean())) if len(more) else 0.0

    @property
    def stretches(self) -> tuple[Stretches, ...]:
        """Stretches of its slices with their shares of cells, for intervals."""
        return stretches(self.slices.sum(axis=1), self.slices, self.length)

    @cached_property
    def of_slices(self) -> ReferenceWindows:
        """The same in windows of one slice."""
        return ReferenceWindows(self.total, self.slices, self.level, self.slices)

    def threshold(self, n: int) -> Threshold:
        """Return the threshold for a window of *n* rows; window and baseline need one row at least."""
        chance = self.chance(n)
        sampling = float(chance.quantile)
        inflated = sampling * math.sqrt(float(chance.inflation(self.excess, self.level)))
        return Threshold(max(inflated, self.unexplained_max), sampling, self.unexplained_max)

    def rows_needed(self, n: int, effect: float) -> tuple[int, int]:
        """Return the sample sizes at which sampling alone stays below an effect.

        Parameters
        ----------
        n
            Rows of the present window, from whose null distribution sizes are extrapolated.
        effect
            The smallest distance that is to be told from chance, above 0.

        Returns
        -------
        tuple
            Rows of the window and of the baseline. The baseline's own number if a larger window suffices; otherwise
            both are the same, larger number.
        """
        return rows_needed(float(self.chance(n).quantile), n, self.rows, effect)

    def chance(self, n: int) -> null_distribution.NullDistribution:
        """Return the null distribution of the distance of a window of *n* rows."""
        return null_distribution.at_sizes(js_distance_log2, self.shares, n=n, m=self.rows, level=self.level)

    @cached_property
    def shares(self) -> tuple[float, ...]:
        """Shares that the null is drawn from, sorted: a distance ignores order, so more variables share a null."""
        return tuple(sorted(null_distribution.smoothed_shares(self.total)))

    @cached_property
    def _usable(self) -> Counts:
        n = self.runs.sum(axis=1)
        return np.asarray(self.runs[(n > 0) & (n < self.rows)])

    @cached_property
    def _distances(self) -> Distances:
        return js_distance_log2(self.total - self._usable, self._usable)

    @cached_property
    def _chance_of_runs(self) -> tuple[Distances, Distances]:
        """Mean and quantile of each run's squared distance by sampling, scaled from the median run size."""
        n = self._usable.sum(axis=1)
        units = 1 / n + 1 / (self.rows - n)
        if len(n) == 0:
            return units, units
        middle = int(np.median(n))
        chance = self.chance(middle)
        units = units / (1 / middle + 1 / self.rows)
        return chance.mean_square * units, chance.quantile**2 * units


def reference_windows(slices: Counts, cells: list[int], *, length: int, level: float) -> ReferenceWindows:
    """Return the reference windows of one variable.

    Parameters
    ----------
    slices
        Its baseline counts, (slices, all cells).
    cells
        The cells that distances compare, see :func:`compared`.
    length
        Slices that a window has.
    level
        As of :class:`ReferenceWindows`.
    """
    compared_counts = slices[:, cells] if len(slices) else np.zeros((0, len(cells)), np.int64)
    return ReferenceWindows(compared_counts.sum(axis=0), runs(compared_counts, length), level, compared_counts, length)


def rows_needed(sampling: float, n: int, rows: int, effect: float) -> tuple[int, int]:
    """Return as :meth:`ReferenceWindows.rows_needed`, where sampling alone reaches *sampling* at *n*, *rows*."""
    unit = (sampling / effect) ** 2 / (1 / n + 1 / rows)
    if not unit:
        return 1, 1
    left = 1 / unit - 1 / rows
    if left > MIN_WINDOW_SHARE / unit:
        return _round_up(1 / left), rows
    return _round_up(2 * unit), _round_up(2 * unit)


def _round_up(rows: float) -> int:
    """Round up to two significant digits: a sample size is advice, not a measurement."""
    step = math.pow(10, max(0, math.floor(math.log10(rows)) - 1))
    return round(math.ceil(rows / step) * step)
