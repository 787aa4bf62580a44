"""One slice's counts as a few numbers a variable that can be ranked: how far, which way, how wide.

A distance over ten cells spends its power on every way to differ. Most changes move a variable's middle or its spread,
and a directed score sees those in a fraction of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import special

from monitors.stats.bins import Counts
from monitors.stats.distance import Distances

SliceCounts = Mapping[str, Sequence[int]]


class ScoreFunction(Protocol):
    """Turns slices into series: an array (..., variables, series), NaN where a slice has no rows of a variable."""

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""

    @property
    def reference(self) -> Distances:
        """The series of the reference's own slices, each against the rest: (slices, variables, series)."""

    @property
    def intraclass_correlation(self) -> Distances:
        """How much of a row's variance lies between reference slices, (variables,): 1 is all of it."""

    def scores(self, newest: SliceCounts) -> Distances:
        """Return the series of one slice against the whole reference: (variables, series)."""

    @property
    def shared(self) -> int | None:
        """The first of the series that have one memory; None if each has its own."""

    @property
    def linear(self) -> npt.NDArray[np.bool_]:
        """Which scores are linear in the means that slices have, (scores,)."""

    def directed(self, series: Distances) -> Distances:
        """Return the scores (..., variables, scores) of *series*; larger is further from the reference."""


@dataclass(frozen=True, eq=False)
class ShareScores:
    """How the shares of cells differ: *slices* is (slices, variables, cells), padded with empty cells.

    *cells* says which of a variable's counts these are, from low to high or by frequency. A slice has 2 + cells series
    a variable, each less the reference's: the mean of the cells' normal scores, the spread (the mean of their squares,
    beyond what a move of the middle makes of it), and every cell's share. All are linear in counts or nearly so, and
    can be whitened; a chi-square, whose bursts no AR(1) explains, is formed of what whitening leaves of the shares.
    Where reference slices differ by more than sampling, a series is divided by the root of both variances, so that busy
    slices do not look wilder than quiet ones.
    """

    names: tuple[str, ...]
    cells: tuple[tuple[int, ...], ...]
    slices: Counts

    @cached_property
    def total(self) -> Counts:
        """The pooled counts, (variables, cells)."""
        return np.asarray(self.slices.sum(axis=0))

    @cached_property
    def codes(self) -> Distances:
        """The codes of every cell, (series, variables, cells), each of mean 0 and variance 1 in the reference."""
        rows = np.maximum(self.total.sum(axis=-1, keepdims=True), 1)
        share = self.total / rows
        place = special.ndtri(np.clip(np.cumsum(share, axis=-1) - share / 2, 1e-6, 1 - 1e-6))
        middle = _standardised(place, share, rows)
        # A cell that the reference has nothing in would make a later slice's first row there look wild, and no slice of
        # the reference ever: values beyond its range come in one slice of thirty. The middle and the spread see them.
        indicators = np.eye(share.shape[-1])[:, None] * (self.total > 0)
        return np.stack(
            [middle, _standardised(middle**2, share, rows), *(_standardised(cell, share, rows) for cell in indicators)]
        )

    @cached_property
    def reference(self) -> Distances:
        """The series of the reference's own slices, (slices, variables, series), against all of it like those to come.

        That a slice is part of what it is compared with is made good where means are taken away
        (:mod:`monitors.sequential.seasonality`). Against the rest alone a calendar's level would look larger than it
        comes again.
        """
        return self._series(self.slices, np.broadcast_to(self.total, self.slices.shape), self._excess)

    @property
    def intraclass_correlation(self) -> Distances:
        """How much of a row's variance lies between reference slices' middles."""
        return np.asarray(self._excess[:, 0])

    def scores(self, newest: SliceCounts) -> Distances:
        """Return the series of a slice's counts by variable; a variable that is absent has no rows."""
        counts = np.zeros_like(self.total)
        for row, (name, cells) in enumerate(zip(self.names, self.cells, strict=True)):
            if name in newest:
                counts[row, : len(cells)] = np.asarray(newest[name], np.int64)[list(cells)]
        return self._series(counts, self.total, self._excess)

    @property
    def shared(self) -> int | None:
        """The cells' shares."""
        return 2

    @property
    def linear(self) -> npt.NDArray[np.bool_]:
        """Up and down."""
        return np.array([False, True, True, False, False])

    def directed(self, series: Distances) -> Distances:
        """Return five scores: any difference of shares, the middle up and down, wider and narrower."""
        middle, spread = series[..., 0], series[..., 1]
        return np.stack([(series[..., 2:] ** 2).sum(axis=-1), middle, -middle, spread, -spread], axis=-1)

    @cached_property
    def _spread_per_square(self) -> Distances:
        """What a squared move of the middle adds to the spread, (variables,): least squares, 0 to 1."""
        moved, spread = self._code_differences(self.slices, self.total - self.slices)[..., :2].transpose(2, 0, 1)
        square = moved**2 - (moved**2).mean(axis=0)
        power = (square**2).sum(axis=0)
        fitted = np.divide((square * spread).sum(axis=0), power, out=np.zeros_like(power), where=power > 0)
        return np.asarray(np.clip(fitted, 0, 1))

    @cached_property
    def _excess(self) -> Distances:
        """What reference slices differ by beyond sampling, (variables, series): a variance, 0 at least."""
        plain = self._series(self.slices, self.total - self.slices, np.zeros(self.codes.shape[1::-1]))
        return excess_variance(np.nan_to_num(plain**2, nan=1.0), self.slices.sum(axis=-1)[..., None])

    def _code_differences(self, own: Counts, rest: Counts) -> Distances:
        n, m = (np.maximum(side.sum(axis=-1, keepdims=True), 1) for side in (own, rest))
        return np.asarray(np.einsum("...vc,kvc->...vk", own / n - rest / m, self.codes))

    def _series(self, own: Counts, rest: Counts, excess: Distances) -> Distances:
        n, m = own.sum(axis=-1)[..., None], rest.sum(axis=-1)[..., None]
        differences = self._code_differences(own, rest)
        differences[..., 1] -= self._spread_per_square * differences[..., 0] ** 2
        with np.errstate(divide="ignore"):
            return np.where(n > 0, differences / np.sqrt(1 / np.maximum(n, 1) + 1 / np.maximum(m, 1) + excess), np.nan)


def excess_variance(squares: Distances, n: Counts | Distances) -> Distances:
    """Return by how much standardised *squares* (slices, ...), 1 by sampling alone, exceed it per row: 0 at least."""
    more = np.where(n > 0, (squares - 1) / np.maximum(n, 1), 0.0)
    return np.asarray(np.maximum(more.sum(axis=0) / np.maximum((n > 0).sum(axis=0), 1), 0.0))


def share_scores(counts: Mapping[str, Counts], cells: Mapping[str, Sequence[int]]) -> ShareScores:
    """Return the measure of variables from their reference *counts*, (slices, all cells) each, on the named *cells*."""
    chosen = [counts[name][:, list(at)] for name, at in cells.items()]
    width = max((k.shape[1] for k in chosen), default=0)
    slices = np.stack([np.pad(k, ((0, 0), (0, width - k.shape[1]))) for k in chosen], axis=1)
    return ShareScores(tuple(cells), tuple(tuple(at) for at in cells.values()), slices)


def add(one: SliceCounts, other: SliceCounts) -> dict[str, Sequence[int]]:
    """Return the sum of two slices' counts by variable.

    >>> add({"x": [1, 2]}, {"x": [1, 0], "y": [3]})
    {'x': [2, 2], 'y': [3]}
    """
    both = {v: [a + b for a, b in zip(one[v], other[v], strict=True)] for v in one if v in other}
    return {**one, **other, **both}


def _standardised(code: Distances, share: Distances, rows: Counts) -> Distances:
    """Return *code* with mean 0 and variance 1; a code that hardly varies is taken to vary by half a row."""
    centred = code - (share * code).sum(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(np.maximum((share * centred**2).sum(axis=-1, keepdims=True), 0.5 / rows)))
