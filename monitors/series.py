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
from scipy import special

from monitors.bins import Counts
from monitors.distance import Distances

Tallies = Mapping[str, Sequence[int]]


class Measure(Protocol):
    """Turns slices into series: an array (..., variables, series), NaN where a slice has no rows of a variable."""

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""

    @property
    def reference(self) -> Distances:
        """The series of the reference's own slices, each against the rest: (slices, variables, series)."""

    @property
    def unrest(self) -> Distances:
        """How much of a row's variance lies between reference slices, (variables,): 1 is all of it."""

    def series(self, newest: Tallies) -> Distances:
        """Return the series of one slice against the whole reference: (variables, series)."""

    def directed(self, series: Distances) -> Distances:
        """Return the scores (..., variables, scores) of *series*; larger is further from the reference."""


@dataclass(frozen=True, eq=False)
class Shares:
    """How the shares of cells differ: *slices* is (slices, variables, cells), padded with empty cells.

    *cells* says which of a variable's counts these are, from low to high or by frequency. A slice of n rows has three
    series a variable: chi-square of homogeneity over its degrees of freedom, the mean of the cells' normal scores, and
    that of their squares, each less the reference's. Where reference slices differ by more than sampling, the means are
    divided by the root of both variances, so that busy slices do not look wilder than quiet ones.
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
        """The two codes of every cell, (2, variables, cells): normal score and its centred square, unit variance."""
        share = self.total / np.maximum(self.total.sum(axis=-1, keepdims=True), 1)
        place = special.ndtri(np.clip(np.cumsum(share, axis=-1) - share / 2, 1e-6, 1 - 1e-6))
        middle = _standard(place, share)
        return np.stack([middle, _standard(middle**2, share)])

    @cached_property
    def reference(self) -> Distances:
        """The series of the reference's own slices, each against the rest, (slices, variables, 3)."""
        return self._series(self.slices, self.total - self.slices, self._excess)

    @property
    def unrest(self) -> Distances:
        """How much of a row's variance lies between reference slices' middles."""
        return np.asarray(self._excess[:, 1])

    def series(self, newest: Tallies) -> Distances:
        """Return the three series of a slice's counts by variable; a variable that is absent has no rows."""
        counts = np.zeros_like(self.total)
        for row, (name, cells) in enumerate(zip(self.names, self.cells, strict=True)):
            if name in newest:
                counts[row, : len(cells)] = np.asarray(newest[name], np.int64)[list(cells)]
        return self._series(counts, self.total, self._excess)

    def directed(self, series: Distances) -> Distances:
        """Return five scores: any difference, the middle up and down, wider and narrower."""
        return np.asarray(series[..., (0, 1, 1, 2, 2)] * np.array([1.0, 1.0, -1.0, 1.0, -1.0]))

    @cached_property
    def _excess(self) -> Distances:
        """What reference slices differ by beyond sampling, (variables, 3): a variance, 0 at least."""
        plain = self._series(self.slices, self.total - self.slices, np.zeros((len(self.names), 3)))
        squares = np.concatenate([plain[..., :1], plain[..., 1:] ** 2], axis=-1)
        return excess(squares, self.slices.sum(axis=-1)[..., None])

    def _series(self, own: Counts, rest: Counts, more: Distances) -> Distances:
        n, m = own.sum(axis=-1), rest.sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            sampling = 1 / n + 1 / m
            apart = own / n[..., None] - rest / m[..., None]
            means = np.stack([(apart * code).sum(axis=-1) for code in self.codes], axis=-1)
            means = means / np.sqrt(sampling[..., None] + more[..., 1:])
            chi = _homogeneity(own, rest) / (1 + n * more[..., 0])
        return np.where((n > 0)[..., None], np.concatenate([chi[..., None], means], axis=-1), np.nan)


def excess(squares: Distances, n: Counts | Distances) -> Distances:
    """Return by how much standardised *squares* (slices, ...), 1 by sampling alone, exceed it per row: 0 at least."""
    more = np.where(n > 0, (squares - 1) / np.maximum(n, 1), 0.0)
    return np.asarray(np.maximum(more.sum(axis=0) / np.maximum((n > 0).sum(axis=0), 1), 0.0))


def shares(counts: Mapping[str, Counts], cells: Mapping[str, Sequence[int]]) -> Shares:
    """Return the measure of variables from their reference *counts*, (slices, all cells) each, on the named *cells*."""
    kept = [counts[name][:, list(at)] for name, at in cells.items()]
    width = max((k.shape[1] for k in kept), default=0)
    slices = np.stack([np.pad(k, ((0, 0), (0, width - k.shape[1]))) for k in kept], axis=1)
    return Shares(tuple(cells), tuple(tuple(at) for at in cells.values()), slices)


def add(one: Tallies, other: Tallies) -> dict[str, Sequence[int]]:
    """Return the sum of two slices' counts by variable.

    >>> add({"x": [1, 2]}, {"x": [1, 0], "y": [3]})
    {'x': [2, 2], 'y': [3]}
    """
    both = {v: [a + b for a, b in zip(one[v], other[v], strict=True)] for v in one if v in other}
    return {**one, **other, **both}


def _standard(code: Distances, share: Distances) -> Distances:
    centred = code - (share * code).sum(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt((share * centred**2).sum(axis=-1, keepdims=True) + 1e-12))


def _homogeneity(own: Counts, rest: Counts) -> Distances:
    """Return Pearson's chi-square of two rows of counts over its degrees of freedom."""
    n, m = own.sum(axis=-1, keepdims=True), rest.sum(axis=-1, keepdims=True)
    share = (own + rest) / (n + m)
    off = (own - n * share) ** 2 / (n * share) + (rest - m * share) ** 2 / (m * share)
    used = (share > 0).sum(axis=-1)
    return np.asarray(np.where(share > 0, off, 0.0).sum(axis=-1) / np.maximum(used - 1, 1))
