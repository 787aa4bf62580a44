"""Value reference: one variable's counts in the baseline, from which faults of values are recognised."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitors.profiles import value_hashes
from monitors.quality import between_slices, rescaling
from monitors.quality.column_traits import MIN_SLICE_ROWS, ColumnTraits
from monitors.stats.bins import CategoricalBins, Counts, NumericBins

OPEN_VOCABULARY = 0.05
"""Share of rows with new values from which on a vocabulary counts as open; a few new values belong to any other."""
MIN_HASH_SPREAD = 0.1
"""Spread of hashes (:func:`.value_hashes.spread`) below which a slice had nearly one value: 95 % of its rows, say."""
RARE_SLICES = 10
"""In an open vocabulary, a value that fewer slices of the baseline had is rare; in a short one, than half of them. Rows
do not tell: one session may repeat a value a hundred times."""


@dataclass(frozen=True, eq=False)
class ValueReference:
    """One variable of the baseline.

    Parameters
    ----------
    bins
        Its bins.
    total
        Its counts, (cells,).
    blocks
        Its counts in every window-length run, (runs, cells).
    slices
        Its counts by slice, (slices, cells), which show what kind of column it is; the runs if absent.
    is_part
        Whether a window is the newest slice of a longer one, which is judged as well.
    sums
        Sums of hashes of its values by slice, (slices, 2); None where they are not known.
    """

    bins: NumericBins | CategoricalBins
    total: Counts
    blocks: Counts
    slices: Counts | None = None
    is_part: bool = False
    sums: Counts | None = None

    @property
    def _by_slice(self) -> Counts:
        return self.blocks if self.slices is None else self.slices

    @cached_property
    def traits(self) -> ColumnTraits:
        """What kind of column it is."""
        return ColumnTraits(self.bins, self._by_slice)

    @cached_property
    def reference_counts(self) -> dict[str, tuple[int, int]]:
        """(count, of how many) in the whole baseline, by name of the share."""
        return {name: (int(x), int(n)) for name, (x, n) in share_counts(self.bins, self.total).items()}

    @cached_property
    def historical_max(self) -> dict[str, float]:
        """The largest share in any run, by name; ``rare``: of all rare values."""
        every = share_counts(self.bins, self.blocks)
        there = self.blocks[:, present_cells(self.bins)].sum(axis=1)
        every["rare"] = self.blocks[:, self.rare_cells].sum(axis=1), there
        return {name: float(np.max(x[n > 0] / n[n > 0], initial=0.0)) for name, (x, n) in every.items()}

    @cached_property
    def expected_max(self) -> dict[str, float]:
        """The largest share to expect of runs that go on as they did, by name: the largest, and as far again.

        A share that varies from run to run (stations that fail, optional fields) exceeds its largest of R runs once in
        R + 1. So the distance of the largest from the median run is added to the largest once more.
        """
        beyond = {}
        for name, (x, n) in share_counts(self.bins, self.blocks).items():
            share = x[n > 0] / n[n > 0]
            beyond[name] = float(2 * share.max() - np.median(share)) if len(share) else 0.0
        return beyond

    @cached_property
    def correlations(self) -> dict[str, float]:
        """How much each share varies from slice to slice, by name: :func:`.between_slices.intraclass_correlation`."""
        return {
            name: between_slices.intraclass_correlation(x, n)
            for name, (x, n) in share_counts(self.bins, self._by_slice).items()
        }

    @cached_property
    def had_one_value(self) -> bool:
        """Whether a slice of the baseline had one value (nearly), as far as hashes are known."""
        if self.sums is None or self.slices is None:
            return False
        values = self.slices[:, present_cells(self.bins)].sum(axis=1).tolist()
        each = zip(self.sums, values, strict=True)
        return any(n >= MIN_SLICE_ROWS and value_hashes.spread(sums, n) < MIN_HASH_SPREAD for sums, n in each)

    def dominance(self, cell: int) -> tuple[float, float]:
        """Return the share of the most frequent cell of a run: the largest of all runs, and the largest to expect.

        The latter goes beyond the largest run by the factor that is between that and the median run, counted in the
        share of the other cells: .8 after a median of .5 makes .92. A narrow *cell* of a number is compared with narrow
        cells, as a cold week fills the wide outermost one.
        """
        bins, there = self.bins, self.blocks[:, present_cells(self.bins)]
        cells = list(range(bins.body))
        if isinstance(bins, NumericBins) and bins.is_narrow(cell):
            cells = [c for c in cells if bins.is_narrow(c)]
        most, rows = self.blocks[:, cells].max(axis=1, initial=0), there.sum(axis=1)
        if not rows.any():
            return 1.0, 1.0
        others = 1 - most[rows > 0] / rows[rows > 0]
        least, middle = float(others.min()), float(np.median(others))
        return 1 - least, 1 - (least**2 / middle if middle else 0.0)

    @cached_property
    def move_max(self) -> dict[int, float]:
        """The largest share that a natural move brings into each outermost bin that is wide."""
        bins = self.bins
        if not isinstance(bins, NumericBins) or not rescaling.has_width(bins) or not len(self.blocks):
            return {}
        most = rescaling.natural_moves(bins, self.total).max(axis=0)
        return {cell: float(most[bins.ordered.index(cell)]) for cell in range(bins.body) if not bins.is_narrow(cell)}

    @cached_property
    def expected_unseen(self) -> int:
        """Upper bound of the values that the baseline saw once, and so of the new values to expect in as many rows.

        A value that was never seen is expected in as many rows as held a value that was seen once (Good 1953, after
        Turing). Which of the *others* were seen once is not stored; at most all of them.
        """
        if not isinstance(self.bins, CategoricalBins):
            return 0
        k = self.bins.body
        once = int((self.total[: k - 1] == 1).sum())
        return once + len(self.bins.others) + int(self.total[k])

    @cached_property
    def rare_cells(self) -> list[int]:
        """The cells of rare values: others and unseen ones; in an open vocabulary also those seen a few times only.

        The most frequent of a thousand rare values are frequent by luck, and no more likely to occur again.
        """
        if not isinstance(self.bins, CategoricalBins):
            return []
        k, rows = self.bins.body, int(self.total[: self.bins.body + 1].sum())
        slices = self._by_slice
        least = min(RARE_SLICES, len(slices) / 2) if self.expected_unseen > OPEN_VOCABULARY * rows else 0
        seen = np.count_nonzero(slices, axis=0)
        return [*(cell for cell in range(k - 1) if seen[cell] < least), k - 1, k]


def share_counts(bins: NumericBins | CategoricalBins, counts: Counts) -> dict[str, tuple[Counts, Counts]]:
    """Return (count, of how many) by name of the share; broadcasts over the leading axes of *counts*.

    ``missing`` and ``non_finite`` are of all rows, ``out_of_range`` (``far`` or not) and ``unseen`` of the values that
    are there.
    """
    k, rows = bins.body, counts.sum(axis=-1)
    if isinstance(bins, CategoricalBins):
        missing = counts[..., k + 1]
        return {"missing": (missing, rows), "unseen": (counts[..., k], rows - missing)}
    missing, infinite = counts[..., k + 2], counts[..., k + 3]
    near, far = counts[..., k] + counts[..., k + 1], counts[..., k + 4] + counts[..., k + 5]
    return {
        "missing": (missing, rows),
        "non_finite": (infinite, rows),
        "out_of_range": (near + far, rows - missing - infinite),
        "far_out_of_range": (far, rows - missing - infinite),
    }


def present_rows(bins: NumericBins | CategoricalBins, counts: Counts) -> int:
    """Return how many values are there, whatever they are: the sum over :func:`present_cells`, without selecting them.

    >>> present_rows(CategoricalBins(categories=("a",)), np.array([6, 0, 2, 2]))
    8
    """
    k = bins.body
    absent = counts[k + 2] + counts[k + 3] if isinstance(bins, NumericBins) else counts[k + 1]
    return int(counts.sum() - absent)


def present_cells(bins: NumericBins | CategoricalBins) -> list[int]:
    """Return the cells of values that are there, whatever they are."""
    return list(bins.ordered) if isinstance(bins, NumericBins) else list(range(bins.body + 1))
