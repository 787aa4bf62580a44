"""Between-window variance of several variables at once, along a direction of each that differs from window to window.

Of the stretches of a baseline only sums of products matter: they are quadratic forms of the direction, whose matrices
follow from the baseline and are made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from monitors.stats.between_windows import CLEARLY_LESS, Moments, Stretches, student_stretch
from monitors.stats.distance import Distances

WIDTHS = (8, 16, 24, 40, 64)
"""Numbers of cells up to which variables share an array of matrices: padding one to the widest of all would make most
matrices many times as large as they are."""


@dataclass(frozen=True, eq=False)
class StackedVariance:
    """How much windows differ, (variables,) each: see :class:`.BetweenWindows`; *length* is 0 where it is not known."""

    variance: Distances
    rows: Distances
    growth: Distances
    stretch: Distances
    length: npt.NDArray[np.int64]

    def widened(self, variance: Distances, n: Distances) -> Distances:
        """Return a between-window *variance* in windows of *n* rows: it rises in small ones, and does not fall."""
        return np.asarray(variance * np.maximum(1.0, self.rows / n))


@dataclass(frozen=True, eq=False)
class StackedStretches:
    """Stretches of several *variables*, of single slices and of a *window*'s."""

    variables: Sequence[Sequence[Stretches]]
    window: int

    def along(self, code: Distances, row_variance: Distances) -> StackedVariance:
        """Return the between-window variance along a direction: as :func:`.between_windows.between_windows`.

        Parameters
        ----------
        code
            The weight of each cell, (variables, cells).
        row_variance
            The variance of the code in one row, (variables,).
        """
        runs, units, rows, stretch = self._sizes
        moments = Moments(*self._products(code), np.maximum(runs, 1), units)
        variance, sampling, growth = moments.variance(row_variance, self._lengths, self.window)
        left = np.where(runs > 0, (sampling + variance) * stretch, np.inf)
        longer = left[-1] < CLEARLY_LESS * left[0]
        variance, rows, growth, stretch = (np.where(longer, of[-1], of[0]) for of in (variance, rows, growth, stretch))
        lengths = self._lengths * (runs > 0)
        return StackedVariance(variance, rows, growth, stretch, np.where(longer, lengths[-1], lengths[0]))

    @cached_property
    def _lengths(self) -> npt.NDArray[np.int64]:
        """Slices of a stretch, (kinds, 1)."""
        return np.array([[1], [self.window]])

    @cached_property
    def _sizes(self) -> Distances:
        """Runs, their sum of ``1/n + 1/m``, rows of a window and Student's stretch: (4, kinds, variables)."""
        out = np.zeros((4, 2, len(self.variables)))
        out[2:] = [[[0.0]], [[1.0]]]
        for kind, at, part in self._each():
            of = len(part.differences), part.units.sum(), part.rows, student_stretch(part.degrees)
            out[:, kind, at] = of
        return out

    def _products(self, code: Distances) -> tuple[Distances, Distances]:
        """Return sums of squares along *code*, and of products with the next stretch, (kinds, variables) each."""
        out = np.zeros((4, len(code)))
        for rows, forms in self._forms:
            one = code[rows, : forms.shape[-1]]
            out[:, rows] = ((forms @ one[..., None])[..., 0] * one).sum(axis=-1)
        return out[:2], out[2:]

    @cached_property
    def _forms(self) -> list[tuple[npt.NDArray[np.int64], Distances]]:
        """Matrices of the quadratic forms, (squares and products of each kind, variables, cells, cells), by width."""
        cells = np.array([max((p.differences.shape[1] for p in parts), default=0) for parts in self.variables], int)
        widths = np.array([next((w for w in WIDTHS if w >= k), k) for k in cells.tolist()], int)
        forms = {}
        for width in set(widths.tolist()):
            rows = np.flatnonzero(widths == width)
            widest = int(cells[rows].max())
            forms[width] = rows, np.zeros((4, len(rows), widest, widest))
        for kind, at, part in self._each():
            rows, matrices = forms[int(widths[at])]
            of, (row,), k = part.differences, np.flatnonzero(rows == at), part.differences.shape[1]
            matrices[kind, row, :k, :k] = of.T @ of
            if len(of) > part.length:
                matrices[2 + kind, row, :k, :k] = of[part.length :].T @ of[: -part.length]
        return list(forms.values())

    def _each(self) -> Sequence[tuple[int, int, Stretches]]:
        """Return each variable's stretches with their kind (single slices or windows) and the variable's place."""
        return [
            (kind, at, part)
            for at, parts in enumerate(self.variables)
            for part in parts
            for kind, length in enumerate((1, self.window))
            if part.length == length
        ]
