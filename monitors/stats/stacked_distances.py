"""Every distance of several variables of one kind of bins at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from monitors.stats import distance, threshold
from monitors.stats.bins import CategoricalBins, Counts, NumericBins, Positions
from monitors.stats.distance import Distances


@dataclass(frozen=True, eq=False)
class StackedDistances:
    """The distances of :data:`.DISTANCES` on the compared cells of variables of one kind, with all their *bins*."""

    bins: Sequence[NumericBins | CategoricalBins]

    def of(self, p: Counts, q: Counts) -> dict[str, Distances]:
        """Return each distance by name, (variables,), of baseline and window counts, (variables, cells), padded."""
        kind = self.bins[0].kind
        return {spec.name: self._one(spec, p, q) for spec in distance.DISTANCES if kind in spec.kinds}

    def _one(self, spec: distance.DistanceSpec, p: Counts, q: Counts) -> Distances:
        """Return one distance; padding adds nothing to one of shares alone, but has no pseudo-count and no position."""
        if spec.function is distance.psi:
            return distance.psi(p, q, self._own)
        if spec.function is distance.wasserstein_normed:
            return distance.wasserstein_normed(p, q, self._positions)
        return spec.function(p, q)

    @cached_property
    def _own(self) -> npt.NDArray[np.bool_]:
        """Which cells are a variable's own, (variables, cells)."""
        cells = np.array([len(threshold.compared(bins)) for bins in self.bins])
        return np.asarray(np.arange(cells.max(initial=0)) < cells[:, None])

    @cached_property
    def _positions(self) -> Positions:
        numbers = [bins for bins in self.bins if isinstance(bins, NumericBins)]
        out = np.zeros(self._own.shape)
        for row, bins in enumerate(numbers):
            out[row] = np.pad(bins.positions, (0, out.shape[1] - len(bins.positions)), "edge")
        return Positions(out, np.array([bins.sd for bins in numbers]))
