"""Router reference: a baseline's counts, from which faults of a window are recognised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from monitors.quality import rescaling, unit_reference, value_reference
from monitors.quality.screens import StepScreen, ValueScreen
from monitors.quality.volume import VolumeReference
from monitors.stats import threshold
from monitors.stats.bins import CategoricalBins, Counts, NumericBins
from monitors.stats.distance import js_distance_log2
from monitors.stats.stacked_counts import StackedCells


@dataclass(frozen=True, eq=False)
class RouterReference:
    """What a baseline's windows of one length are compared by; made once by :func:`router_reference`.

    Parameters
    ----------
    quality
        Counts of each variable, for faults of values.
    drift
        Window-length runs of each variable, for thresholds of distances.
    numbers
        Numeric variables with more than one value, for changes of unit.
    rows
        Rows of each window-length run, (runs,).
    hashed
        The numbers whose values are hashed, in the order of their sums.
    slice
        The same for windows of one slice; None if that is what this is.
    """

    quality: Mapping[str, value_reference.ValueReference]
    drift: Mapping[str, threshold.ReferenceWindows]
    numbers: Mapping[str, unit_reference.UnitReference]
    rows: Counts
    hashed: tuple[str, ...]
    slice: RouterReference | None

    @cached_property
    def volume(self) -> VolumeReference:
        """Rows of the whole baseline, and of its runs."""
        return VolumeReference(max((int(r.total.sum()) for r in self.quality.values()), default=0), self.rows)

    @cached_property
    def cells(self) -> StackedCells:
        """Where the cells of all variables are, so that they can be looked at together."""
        return StackedCells({name: of.bins for name, of in self.quality.items()})

    @cached_property
    def value_screen(self) -> ValueScreen:
        """What shows which variables may have a fault of values."""
        return ValueScreen(self.cells, self.quality)

    @cached_property
    def step_screen(self) -> StepScreen:
        """What shows which numbers may stand on another level all at once."""
        return StepScreen(self.cells, self.numbers)

    def distances(self, flat: Counts) -> dict[str, float]:
        """Return the distance of each variable from the baseline (Jensen-Shannon, log 2); NaN where a side is empty.

        All at once, as nearly all of them are small and need no closer look. Where cells are merged, a distance is no
        larger than this. *flat* is what :meth:`.StackedCells.flat` returned of a window's counts.
        """
        apart = js_distance_log2(self._totals, flat[self.cells.compared])
        return dict(zip(self.quality, apart.tolist(), strict=True))

    @cached_property
    def _totals(self) -> Counts:
        """The baseline's counts on the compared cells, (variables, cells), padded."""
        totals = self.cells.flat({name: of.total for name, of in self.quality.items()})
        return np.asarray(totals[self.cells.compared])


def router_reference(
    bins: Mapping[str, NumericBins | CategoricalBins],
    slices: Mapping[str, Counts],
    *,
    length: int,
    level: float,
    is_part: bool = False,
    sums: Mapping[str, Counts] = MappingProxyType({}),
) -> RouterReference:
    """Return the router's reference.

    Parameters
    ----------
    bins
        Bins of each variable.
    slices
        The baseline's counts of each variable, (slices, cells).
    length
        Slices in a window.
    level
        Probability of a false fault in a window, as for :func:`monitors.quality.router.route`.
    is_part
        Whether a window is the newest slice of a longer one.
    sums
        Sums of hashes of the values of numbers, in their order, (slices, 2) each; none where they were not counted.
    """
    newest = router_reference(bins, slices, length=1, level=level / 2, is_part=True, sums=sums) if length > 1 else None
    runs = {name: threshold.runs(s, length) for name, s in slices.items()}
    compared = {name: threshold.compared(bins[name]) for name in slices}
    each = level / (2 * max(len(slices), 1)) / (1 if newest is None else 2)
    return RouterReference(
        {
            name: value_reference.ValueReference(bins[name], s.sum(axis=0), runs[name], s, is_part, sums.get(name))
            for name, s in slices.items()
        },
        {name: threshold.reference_windows(s, compared[name], length=length, level=each) for name, s in slices.items()},
        {
            name: unit_reference.UnitReference(b, s.sum(axis=0), s)
            for name, s in slices.items()
            if isinstance(b := bins[name], NumericBins) and rescaling.has_width(b)
        },
        next((r.sum(axis=1) for r in runs.values()), np.zeros(0, np.int64)),
        tuple(sums),
        newest,
    )
