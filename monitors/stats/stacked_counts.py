"""Stacked counts: the cells of several variables as rows of one matrix, so that all are computed at once.

Variables have different numbers of cells. Rows are padded with a cell that is always empty, which distances and sums do
not notice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from monitors.stats import threshold
from monitors.stats.bins import CategoricalBins, Counts, NumericBins

CountsByVariable = Mapping[str, Sequence[int] | Counts]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class StackedCells:
    """Where the cells of each variable are among the counts of all of them, one after the other.

    Parameters
    ----------
    bins
        The bins of every variable, by name.
    """

    bins: Mapping[str, NumericBins | CategoricalBins]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The variables."""
        return tuple(self.bins)

    @cached_property
    def starts(self) -> Indices:
        """The place of each variable's first cell, (variables + 1,); the last is that of the empty cell."""
        return np.cumsum([0, *(bins.cells for bins in self.bins.values())])

    @cached_property
    def places(self) -> dict[str, slice]:
        """Which cells are those of each variable."""
        return {name: slice(*ends) for name, ends in zip(self.bins, itertools.pairwise(self.starts), strict=True)}

    def flat(self, counts: CountsByVariable) -> Counts:
        """Return the counts of all variables one after the other, and an empty cell, (cells + 1,).

        A variable that is absent has no rows.
        """
        rows = (counts[name] if name in counts else [0] * bins.cells for name, bins in self.bins.items())
        return np.array([*itertools.chain.from_iterable(rows), 0], dtype=np.int64)

    def rows(self, flat: Counts) -> Counts:
        """Return the rows of each variable, missing ones included, (variables,), of what :meth:`flat` returned."""
        return np.asarray(np.add.reduceat(flat[:-1], self.starts[:-1])) if self.names else np.zeros(0, np.int64)

    def by_variable(self, flat: Counts) -> Mapping[str, Counts]:
        """Return the counts of each variable, (cells,), of those that :meth:`flat` returned."""
        return _ByVariable(self, flat)

    @cached_property
    def compared(self) -> Indices:
        """The cells that distances compare, (variables, cells), padded."""
        return self._padded([threshold.compared(bins) for bins in self.bins.values()])

    @cached_property
    def body(self) -> Indices:
        """The cells of bins, or of the vocabulary, (variables, cells), padded."""
        return self._padded([range(bins.body) for bins in self.bins.values()])

    def beyond_body(self, numeric: int | None, categorical: int | None = None) -> Indices:
        """Return one cell of each variable, (variables,), by its place after the body; the empty one for None."""
        places = (numeric if isinstance(bins, NumericBins) else categorical for bins in self.bins.values())
        cells = zip(self.starts, self.bins.values(), places, strict=False)
        return np.array([self.starts[-1] if at is None else start + bins.body + at for start, bins, at in cells], int)

    def _padded(self, cells: Sequence[Sequence[int]]) -> Indices:
        out = np.full((len(cells), max(map(len, cells), default=0)), self.starts[-1])
        for row, of in enumerate(cells):
            out[row, : len(of)] = self.starts[row] + np.asarray(of, np.int64)
        return out


class _ByVariable(Mapping[str, Counts]):
    """Stacked counts by name, cut out where one is asked for."""

    def __init__(self, cells: StackedCells, flat: Counts) -> None:
        self._places, self._flat = cells.places, flat

    def __getitem__(self, name: str) -> Counts:
        return self._flat[self._places[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
