"""Bin changes: which parts of a variable's range gained or lost rows, and in which direction it moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitors.stats.bins import CategoricalBins, Counts, NumericBins
from monitors.stats.distance import Distances

MIN_CHANGE = 0.02
"""Smallest change of a cell's share, as a share of all rows, that is shown: sampling alone changes a tenth of 1,000
rows by about .01."""

SPREAD = "no single bin changed much; the shift is spread out"


@dataclass(frozen=True, slots=True)
class BinChange:
    """A cell of a variable: its *label*, and its share of all rows *before* and *now*, 0 to 1."""

    label: str
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class BinChanges:
    """How one variable moved: its *direction* in a word ("" for categories), and the cells that changed most, first.

    *is_spread* says that rows moved, but in no cell by much; never of what has no bins.
    """

    direction: str
    parts: tuple[BinChange, ...]
    is_spread: bool = False

    def __str__(self) -> str:
        """Return direction and parts in a phrase.

        >>> print(BinChanges("up", (BinChange("over", 0.0, 0.25),)))
        up; over 0.0% -> 25.0%
        >>> print(BinChanges("", (), is_spread=True))
        no single bin changed much; the shift is spread out
        """
        if self.is_spread:
            return SPREAD
        parts = ", ".join(f"{p.label} {p.before:.1%} -> {p.now:.1%}" for p in self.parts)
        return "; ".join(filter(None, (self.direction, parts)))


def bin_changes(
    bins: NumericBins | CategoricalBins, before: Counts | Sequence[int], now: Counts | Sequence[int], *, most: int = 3
) -> BinChanges:
    """Return how a variable's counts changed.

    A number moves up or down where its CDFs differ one way, and gets wider or narrower where they cross.

    Parameters
    ----------
    bins
        The frozen bins of the variable.
    before, now
        Counts on these bins, (cells,) each.
    most
        How many cells are named at most.

    Returns
    -------
    BinChanges
        Empty where a side has no rows.

    Examples
    --------
    >>> b = NumericBins(edges=(0.0, 1.0, 2.0, 3.0, 4.0))
    >>> print(bin_changes(b, [25, 25, 25, 25, 0, 0, 0, 0, 0, 0], [5, 15, 30, 40, 0, 10, 0, 0, 0, 0]))
    up; [0, 1) 25.0% -> 5.0%, [3, 4) 25.0% -> 40.0%, [1, 2) 25.0% -> 15.0%
    """
    then, after = (np.asarray(c, float) / max(np.sum(c), 1) for c in (before, now))
    if not then.any() or not after.any():
        return BinChanges("", ())
    apart = after - then
    order = sorted(np.flatnonzero(np.abs(apart) >= MIN_CHANGE), key=lambda i: -abs(apart[i]))[:most]
    parts = tuple(BinChange(bins.labels[i], float(then[i]), float(after[i])) for i in order)
    is_spread = not parts and bool(apart.any())
    return BinChanges(_direction(bins, then, after) if parts else "", parts, is_spread)


def _direction(bins: NumericBins | CategoricalBins, then: Distances, now: Distances) -> str:
    """Return up, down, wider or narrower, by where the CDFs differ most each way; "" for categories."""
    if isinstance(bins, CategoricalBins):
        return ""
    below, above = (np.cumsum(side[list(bins.ordered)]) for side in (then, now))
    gap = (below - above)[:-1]
    up, down = float(gap.max(initial=0.0)), float(-gap.min(initial=0.0))
    if min(up, down) > max(up, down) / 2:
        return "wider" if np.argmax(-gap) < np.argmax(gap) else "narrower"
    return "up" if up > down else "down"
