"""Scores of mean losses and residuals by slice, for the sequential monitor of performance.

They are formed of the exact sums in which outcomes are counted: the mean loss, and for binary models the mean residual
``label - score``, which shows concept drift sooner than the loss does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from monitors.profiles import outcome_counts
from monitors.sequential.slice_scores import SliceCounts, excess_variance
from monitors.stats.distance import Distances

Moments = Callable[[SliceCounts], Distances]
"""Turns one slice's counts into (series, 3): rows, sum and sum of squares of each series."""
MIN_VARIANCE = 1e-12
"""Variance that the rows of a series are taken to have at least: where all are equal it would be divided by 0."""


@dataclass(frozen=True, eq=False)
class MeanScores:
    """Differences of a slice's means from the reference's, in standard errors that include between-slice variance.

    The first series is scored upwards only (nobody need know of a loss that falls), the others both ways.

    Parameters
    ----------
    name
        The variable.
    moments
        Turns a slice's counts into moments.
    slices
        The moments of the reference's slices, (slices, series, 3).
    """

    name: str
    moments: Moments
    slices: Distances

    @property
    def names(self) -> tuple[str, ...]:
        """The one variable."""
        return (self.name,)

    @cached_property
    def total(self) -> Distances:
        """The moments of the whole reference, (series, 3)."""
        return np.asarray(self.slices.sum(axis=0))

    @cached_property
    def reference(self) -> Distances:
        """The series of the reference's own slices, (slices, 1, series), against all of it, as later ones.

        That a slice is part of what it is compared with is corrected by the seasonal adjustment.
        """
        return self._series(self.slices, np.broadcast_to(self.total, self.slices.shape), self._excess)[:, None]

    @property
    def intraclass_correlation(self) -> Distances:
        """The part of a row's variance that lies between reference slices, (1,)."""
        return np.asarray(self._excess[:1])

    def scores(self, newest: SliceCounts) -> Distances:
        """Return the series of one slice against the whole reference, (1, series); NaN without rows."""
        own = self.moments(newest) if newest else np.zeros_like(self.total)
        return self._series(own, self.total, self._excess)[None]

    @property
    def shared(self) -> int | None:
        """None: each series has an AR coefficient of its own."""
        return None

    @property
    def linear(self) -> npt.NDArray[np.bool_]:
        """All scores are linear, (scores,)."""
        return np.ones(2 * len(self.total) - 1, bool)

    def directed(self, series: Distances) -> Distances:
        """Return the scores, (..., 1, 2 series - 1): the first series upwards, then the others up, and down."""
        rest = series[..., 1:]
        return np.concatenate([series[..., :1], rest, -rest], axis=-1)

    @cached_property
    def _excess(self) -> Distances:
        plain = self._series(self.slices, self.total - self.slices, np.zeros(self.total.shape[0]))
        return excess_variance(np.nan_to_num(plain**2, nan=1.0), self.slices[..., 0])

    def _series(self, own: Distances, rest: Distances, excess: Distances) -> Distances:
        n, m = own[..., 0], rest[..., 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            difference = own[..., 1] / n - rest[..., 1] / m
            row_variance = np.maximum(rest[..., 2] / m - (rest[..., 1] / m) ** 2, MIN_VARIANCE)
            return np.where(n > 0, difference / np.sqrt(row_variance * (1 / n + 1 / m + excess)), np.nan)


def outcome_moments(newest: SliceCounts) -> Distances:
    """Return the moments of a slice's loss and, where there is a score grid, of its residual: (1 or 2, 3).

    The residual is ``label - score``, with the score at the middle of its bin.

    >>> outcome_moments({"coverage": [2, 0], "loss": [1386294, 960906]}).round(3).tolist()
    [[2.0, 1.386, 0.961]]
    """
    n = float(newest["coverage"][0])
    loss, square = (float(x) * outcome_counts.LOSS_UNIT for x in newest["loss"])
    if "scores" not in newest:
        return np.array([[n, loss, square]])
    grid = np.asarray(newest["scores"]).reshape(outcome_counts.SCORE_BINS, 2)
    middle = (np.arange(outcome_counts.SCORE_BINS) + 0.5) / outcome_counts.SCORE_BINS
    residual = np.column_stack([-middle, 1 - middle])
    return np.array([[n, loss, square], [n, (grid * residual).sum(), (grid * residual**2).sum()]])
