"""Means of rows as series over slices: losses and residuals, from the exact sums that outcomes are counted in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from monitors.profiles import outcome_counts
from monitors.sequential.slice_scores import Tallies, excess_variance
from monitors.stats.distance import Distances

Moments = Callable[[Tallies], Distances]
"""Turns one slice's counts into (series, 3): rows, sum and sum of squares of each series."""


@dataclass(frozen=True, eq=False)
class MeanScores:
    """How far one variable's means are from the reference's, in standard errors that know the slices' own unrest.

    *slices* is (slices, series, 3) of :data:`Moments`. The first series is looked at upwards only (a loss that falls
    wakes nobody), the others both ways.
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
        """The pooled moments, (series, 3)."""
        return np.asarray(self.slices.sum(axis=0))

    @cached_property
    def reference(self) -> Distances:
        """The series of the reference's own slices, (slices, 1, series), against all of it like those to come.

        That a slice is part of what it is compared with is made good in :mod:`monitors.sequential.seasonality`.
        """
        return self._series(self.slices, np.broadcast_to(self.total, self.slices.shape), self._excess)[:, None]

    @property
    def intraclass_correlation(self) -> Distances:
        """How much of a row's variance lies between reference slices, (1,)."""
        return np.asarray(self._excess[:1])

    def scores(self, newest: Tallies) -> Distances:
        """Return the series of one slice against the whole reference, (1, series): NaN where nothing of it counts."""
        own = self.moments(newest) if newest else np.zeros_like(self.total)
        return self._series(own, self.total, self._excess)[None]

    @property
    def shared(self) -> int | None:
        """None of them."""
        return None

    @property
    def linear(self) -> npt.NDArray[np.bool_]:
        """All of them."""
        return np.ones(2 * len(self.total) - 1, bool)

    def directed(self, series: Distances) -> Distances:
        """Return the first series, then each of the others up and down."""
        rest = series[..., 1:]
        return np.concatenate([series[..., :1], rest, -rest], axis=-1)

    @cached_property
    def _excess(self) -> Distances:
        plain = self._series(self.slices, self.total - self.slices, np.zeros(self.total.shape[0]))
        return excess_variance(np.nan_to_num(plain**2, nan=1.0), self.slices[..., 0])

    def _series(self, own: Distances, rest: Distances, more: Distances) -> Distances:
        n, m = own[..., 0], rest[..., 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = own[..., 1] / n - rest[..., 1] / m
            row = np.maximum(rest[..., 2] / m - (rest[..., 1] / m) ** 2, 1e-12)
            return np.where(n > 0, apart / np.sqrt(row * (1 / n + 1 / m + more)), np.nan)


def outcome_moments(newest: Tallies) -> Distances:
    """Return the moments of the loss and, where there is a score grid, of the residual ``label - score``.

    A score is at its bin's middle.

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
