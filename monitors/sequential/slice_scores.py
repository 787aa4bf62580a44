"""Scores of one slice's counts that can be ranked: directed scores of a variable's middle and spread, and chi-square.

A distance over ten cells spends its power on every way to differ. Most changes move a variable's middle or its spread,
and a directed score sees those in a fraction of the rows.
"""

from __future__ import annotations

import itertools
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
"""The counts of one slice by variable, each a row of all its cells."""
Groups = tuple[tuple[int, ...], ...]
"""Groups of cells, whose counts are added."""
CLIPPED_SHARE = 1e-6
"""Cumulative shares nearer to 0 or 1 are moved to here, so that the normal score of an empty outer cell is finite."""
MIN_CODE_ROWS = 0.5
"""Rows by which the code of a cell is taken to vary at least: one without any variance would be divided by 0."""


class ScoreFunction(Protocol):
    """Turns slices into series, (..., variables, series), and series into scores; NaN where a slice has no rows.

    Series are (nearly) linear in the counts, so that they can be whitened; scores are formed of what whitening leaves.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""

    @property
    def reference(self) -> Distances:
        """The series of the reference's own slices, (slices, variables, series)."""

    @property
    def intraclass_correlation(self) -> Distances:
        """The part of a row's variance that lies between reference slices, (variables,): 1 is all of it."""

    def scores(self, newest: SliceCounts) -> Distances:
        """Return the series of one slice against the whole reference, (variables, series)."""

    @property
    def shared(self) -> int | None:
        """The first of the series that have one AR coefficient and calendar together; None if each has its own."""

    @property
    def linear(self) -> npt.NDArray[np.bool_]:
        """Which scores are linear in the means of a slice, (scores,): their memory is that of the series."""

    def directed(self, series: Distances) -> Distances:
        """Return scores, (..., variables, scores), of (..., variables, series); larger is further away."""


@dataclass(frozen=True, eq=False)
class ShareScores:
    """Scores of the shares of cells: middle, spread, and chi-square.

    A slice has 2 + cells series a variable, each less the reference's: the mean of the cells' normal scores (van der
    Waerden), the spread (the mean of their squares, beyond what a move of the middle makes of it), and every cell's
    share. All are linear in the counts or nearly so, and can be whitened; a chi-square, which comes in bursts that no
    AR(1) explains, is formed of what whitening leaves of the shares. Where reference slices differ by more than
    sampling, a series is divided by the root of both variances, so that busy slices do not look wilder than quiet ones.

    Parameters
    ----------
    names
        The variables.
    cells
        Which of each variable's counts are scored, from low to high or by frequency: the counts of a group are added.
    slices
        The reference's counts, (slices, variables, cells), padded with empty cells.

    References
    ----------
    van der Waerden (1952), "Order tests for the two-sample problem and their power", Indagationes Mathematicae 14.
    """

    names: tuple[str, ...]
    cells: tuple[Groups, ...]
    slices: Counts

    @cached_property
    def total(self) -> Counts:
        """The counts of the whole reference, (variables, cells)."""
        return np.asarray(self.slices.sum(axis=0))

    @cached_property
    def codes(self) -> Distances:
        """What every cell adds to each series, (series, variables, cells): mean 0, variance 1 in the reference."""
        rows = np.maximum(self.total.sum(axis=-1, keepdims=True), 1)
        share = self.total / rows
        place = special.ndtri(np.clip(np.cumsum(share, axis=-1) - share / 2, CLIPPED_SHARE, 1 - CLIPPED_SHARE))
        middle = _standardised(place, share, rows)
        # A cell that is empty in the reference has no series: a first row in it would be an extreme score, which no
        # reference slice can have, and values outside the range come in one slice of thirty. Middle and spread see
        # them.
        indicators = np.eye(share.shape[-1])[:, None] * (self.total > 0)
        return np.stack(
            [middle, _standardised(middle**2, share, rows), *(_standardised(cell, share, rows) for cell in indicators)]
        )

    @cached_property
    def reference(self) -> Distances:
        """The series of the reference's own slices, (slices, variables, series), against all of it, as later ones.

        That a slice is part of what it is compared with is corrected by the seasonal adjustment
        (:mod:`monitors.sequential.seasonality`). Compared with the rest alone, seasonal levels would look too large.
        """
        return self._series(self.slices, np.broadcast_to(self.total, self.slices.shape), self._excess)

    @property
    def intraclass_correlation(self) -> Distances:
        """The part of a row's variance that lies between the middles of reference slices, (variables,)."""
        return np.asarray(self._excess[:, 0])

    def scores(self, newest: SliceCounts) -> Distances:
        """Return the series of one slice, (variables, series); a variable that is absent from *newest* has no rows."""
        counts = np.zeros_like(self.total)
        wide, order, starts = self._places
        rows = (newest[name][:n] if name in newest else [0] * n for name, n in zip(self.names, wide, strict=True))
        flat = np.fromiter(itertools.chain.from_iterable(rows), np.int64, count=sum(wide))
        np.put(counts, self._groups, np.add.reduceat(flat[order], starts) if len(starts) else [])
        return self._series(counts, self.total, self._excess)

    @cached_property
    def _places(self) -> tuple[list[int], Counts, Counts]:
        """Where scored cells are in the counts of all variables, one after the other.

        How many cells of each variable are read; the cells of all groups in order; and where each group starts there.
        """
        wide = [1 + max(itertools.chain.from_iterable(cells), default=-1) for cells in self.cells]
        firsts = np.cumsum([0, *wide[:-1]])
        groups = [np.array(group) + first for first, of in zip(firsts, self.cells, strict=True) for group in of]
        order = np.concatenate(groups) if groups else np.zeros(0, np.int64)
        return wide, order, np.cumsum([0, *map(len, groups[:-1])])[: len(groups)]

    @cached_property
    def _groups(self) -> Counts:
        """The places of all groups in counts (variables, cells), padded."""
        width = self.total.shape[-1]
        return np.array([row * width + k for row, of in enumerate(self.cells) for k in range(len(of))], np.int64)

    @property
    def shared(self) -> int | None:
        """The cells' shares, from the third series on."""
        return 2

    @property
    def linear(self) -> npt.NDArray[np.bool_]:
        """The middle, up and down."""
        return np.array([False, True, True, False, False])

    def directed(self, series: Distances) -> Distances:
        """Return five scores: chi-square of the shares, the middle up and down, wider and narrower."""
        middle, spread = series[..., 0], series[..., 1]
        return np.stack([(series[..., 2:] ** 2).sum(axis=-1), middle, -middle, spread, -spread], axis=-1)

    @cached_property
    def _spread_per_square(self) -> Distances:
        """What a squared move of the middle adds to the spread, (variables,): a least-squares slope, 0 to 1."""
        moved, spread = self._code_differences(self.slices, self.total - self.slices)[..., :2].transpose(2, 0, 1)
        square = moved**2 - (moved**2).mean(axis=0)
        power = (square**2).sum(axis=0)
        fitted = np.divide((square * spread).sum(axis=0), power, out=np.zeros_like(power), where=power > 0)
        return np.asarray(np.clip(fitted, 0, 1))

    @cached_property
    def _excess(self) -> Distances:
        """Between-slice variance of the reference beyond sampling, per row, (variables, series): 0 at least."""
        plain = self._series(self.slices, self.total - self.slices, np.zeros(self.codes.shape[1::-1]))
        return excess_variance(np.nan_to_num(plain**2, nan=1.0), self.slices.sum(axis=-1)[..., None])

    def _code_differences(self, own: Counts, rest: Counts) -> Distances:
        n, m = (np.maximum(side.sum(axis=-1, keepdims=True), 1) for side in (own, rest))
        return np.asarray(np.einsum("...vc,kvc->...vk", own / n - rest / m, self.codes))

    def _series(self, own: Counts, rest: Counts, excess: Distances) -> Distances:
        """Return the series of counts *own* against *rest*, both (..., variables, cells), in standard errors.

        *excess* is the between-slice variance that the standard errors allow for, (variables, series).
        """
        n, m = own.sum(axis=-1)[..., None], rest.sum(axis=-1)[..., None]
        differences = self._code_differences(own, rest)
        differences[..., 1] -= self._spread_per_square * differences[..., 0] ** 2
        with np.errstate(divide="ignore"):
            return np.where(n > 0, differences / np.sqrt(1 / np.maximum(n, 1) + 1 / np.maximum(m, 1) + excess), np.nan)


def excess_variance(squares: Distances, n: Counts | Distances) -> Distances:
    """Return the between-slice variance beyond sampling, per row, (...): a moment estimate, 0 at least.

    *squares* are squared differences in standard errors of sampling, (slices, ...), 1 on average by sampling alone; *n*
    the rows of each slice, of a shape that broadcasts.
    """
    more = np.where(n > 0, (squares - 1) / np.maximum(n, 1), 0.0)
    return np.asarray(np.maximum(more.sum(axis=0) / np.maximum((n > 0).sum(axis=0), 1), 0.0))


def share_scores(counts: Mapping[str, Counts], cells: Mapping[str, Sequence[int | Sequence[int]]]) -> ShareScores:
    """Return the scores of variables from their reference counts, (slices, all cells) each, on the named cells.

    *cells* are single ones, or groups of cells whose counts are added.
    """
    groups = tuple(tuple((at,) if isinstance(at, int) else tuple(at) for at in of) for of in cells.values())
    chosen = [_grouped(counts[name], of) for name, of in zip(cells, groups, strict=True)]
    width = max((k.shape[1] for k in chosen), default=0)
    slices = np.stack([np.pad(k, ((0, 0), (0, width - k.shape[1]))) for k in chosen], axis=1)
    return ShareScores(tuple(cells), groups, slices)


def _grouped(counts: Counts, cells: Groups) -> Counts:
    """Return the sum of *counts*, (..., all cells), over each group of cells, (..., groups)."""
    starts = np.cumsum([0, *map(len, cells[:-1])])
    return np.asarray(np.add.reduceat(counts[..., [cell for group in cells for cell in group]], starts, axis=-1))


def add(one: SliceCounts, other: SliceCounts) -> dict[str, Sequence[int]]:
    """Return the sum of two slices' counts by variable.

    >>> add({"x": [1, 2]}, {"x": [1, 0], "y": [3]})
    {'x': [2, 2], 'y': [3]}
    """
    both = {v: [a + b for a, b in zip(one[v], other[v], strict=True)] for v in one if v in other}
    return {**one, **other, **both}


def _standardised(code: Distances, share: Distances, rows: Counts) -> Distances:
    """Return a code of cells with mean 0 and variance 1 under *share*; see :data:`MIN_CODE_ROWS`."""
    centred = code - (share * code).sum(axis=-1, keepdims=True)
    return np.asarray(
        centred / np.sqrt(np.maximum((share * centred**2).sum(axis=-1, keepdims=True), MIN_CODE_ROWS / rows))
    )
