"""The variables of a window beside those of its baseline, all at once: cells, distances and shares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitors.quality.stacked_shares import StackedShares
from monitors.stats import threshold
from monitors.stats.bins import CategoricalBins, Counts, NumericBins
from monitors.stats.stacked_counts import CountsByVariable, StackedCells
from monitors.stats.stacked_distances import StackedDistances
from monitors.stats.stacked_windows import StackedWindows


@dataclass(frozen=True, eq=False)
class StackedReference:
    """What the variables of a window are compared with, all at once.

    Parameters
    ----------
    bins
        The frozen bins of every variable, by name, those of numbers first.
    windows
        Their reference windows, in the order of *bins*.
    """

    bins: Mapping[str, NumericBins | CategoricalBins]
    windows: StackedWindows

    @cached_property
    def cells(self) -> StackedCells:
        """Where their cells are."""
        return StackedCells(self.bins)

    @cached_property
    def distances(self) -> StackedDistances:
        """What is measured."""
        return StackedDistances(tuple(self.bins.values()), self.windows.totals)

    @cached_property
    def shares(self) -> StackedShares:
        """Their shares of missing values and the like."""
        return StackedShares(self.cells)


def stacked_reference(
    bins: Mapping[str, NumericBins | CategoricalBins], windows: Mapping[str, threshold.ReferenceWindows]
) -> StackedReference:
    """Return the reference of all variables from that of each."""
    ordered = {name: bins[name] for name in sorted(bins, key=lambda name: bins[name].kind != "numeric")}
    return StackedReference(ordered, StackedWindows([windows[name] for name in ordered]))


@dataclass(frozen=True, eq=False)
class StackedSample:
    """The counts of one window, of all variables of a *reference*; one that is absent from *counts* has no rows."""

    reference: StackedReference
    counts: CountsByVariable

    @cached_property
    def flat(self) -> Counts:
        """The counts of all variables one after the other: see :meth:`.StackedCells.flat`."""
        return self.reference.cells.flat(self.counts)

    @cached_property
    def compared(self) -> Counts:
        """The counts of the cells that distances compare, (variables, cells), padded with empty cells."""
        return np.asarray(self.flat[self.reference.cells.compared])

    @cached_property
    def rows(self) -> Counts:
        """Number of values that are compared, (variables,)."""
        return np.asarray(self.compared.sum(axis=1))

    @property
    def sizes(self) -> Iterator[tuple[str, int, int]]:
        """Each variable with its values in the window and in the baseline."""
        windows = self.reference.windows
        return zip(self.reference.bins, self.rows.tolist(), windows.rows.tolist(), strict=True)
