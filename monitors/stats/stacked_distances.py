"""Every distance of several variables at once, on shares of the baseline that are computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitors.stats import share_distances, threshold
from monitors.stats.bins import CategoricalBins, Counts, NumericBins
from monitors.stats.distance import PSI_PSEUDO_COUNT, Distances


@dataclass(frozen=True, eq=False)
class StackedDistances:
    """The distances of :data:`.DISTANCES` from a baseline, on the compared cells of variables.

    Parameters
    ----------
    bins
        The bins of every variable, those of numbers first.
    totals
        The baseline's counts, (variables, cells), padded with empty cells.
    """

    bins: Sequence[NumericBins | CategoricalBins]
    totals: Counts

    @cached_property
    def numbers(self) -> int:
        """How many are numbers."""
        return sum(isinstance(bins, NumericBins) for bins in self.bins)

    def of(self, window: Counts) -> tuple[dict[str, Distances], dict[str, Distances]]:
        """Return each distance of numbers and of categories by name, (numbers,) and (categories,).

        *window* are counts, (variables, cells), padded. An empty cell adds nothing to a distance of shares alone; the
        index has no pseudo-count in padding, and positions repeat there.
        """
        shares, k = share_distances.shares(window), self.numbers
        both = {
            "psi": share_distances.jeffreys(self._smoothed, share_distances.shares(window, self._pseudo)),
            "js_distance_log2": share_distances.jensen_shannon(self.shares, shares),
        }
        moved = np.cumsum(shares[:k] - self.shares[:k], axis=-1)
        numbers = {name: of[:k] for name, of in both.items()}
        numbers["ks"] = share_distances.kolmogorov_smirnov(moved) if k else np.zeros(0)
        numbers["wasserstein_normed"] = share_distances.wasserstein(moved, self._positions, self._sd)
        categories = {name: of[k:] for name, of in both.items()}
        categories["total_variation"] = share_distances.total_variation(self.shares[k:], shares[k:])
        return numbers, categories

    @cached_property
    def shares(self) -> Distances:
        """Shares of the baseline's cells, (variables, cells)."""
        return share_distances.shares(self.totals)

    @cached_property
    def _pseudo(self) -> Distances:
        cells = np.array([len(threshold.compared(bins)) for bins in self.bins])
        return PSI_PSEUDO_COUNT * (np.arange(self.totals.shape[1]) < cells[:, None])

    @cached_property
    def _smoothed(self) -> Distances:
        return share_distances.shares(self.totals, self._pseudo)

    @cached_property
    def _positions(self) -> Distances:
        positions = [bins.positions for bins in self.bins if isinstance(bins, NumericBins)]
        width = self.totals.shape[1]
        padded = [np.pad(of, (0, width - len(of)), "edge") for of in positions]
        return np.array(padded).reshape(-1, width)

    @cached_property
    def _sd(self) -> Distances:
        return np.array([bins.sd for bins in self.bins if isinstance(bins, NumericBins)])
