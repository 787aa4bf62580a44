"""Scored cells: which cells of a variable have a share of their own in the scores of slices.

The most frequent of many equally frequent values are frequent by luck: of 300 words in 6,000 rows the thirty that get a
cell of their own had 28 rows each, and have 20 in as many later ones. So where there are *others*, a value has a share
of its own only if it stands out from these; values that do not are scored with the others, as one.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from monitors.stats import threshold
from monitors.stats.bins import CategoricalBins, Counts, NumericBins

LUCK = 0.05
"""Chance that any of the *others* is as frequent as a value that stands out, if all were equally frequent."""


def groups(bins: NumericBins | CategoricalBins, slices: Counts) -> list[tuple[int, ...]]:
    """Return the cells that are scored, each with those that are added to it: from low to high, or by frequency.

    Parameters
    ----------
    bins
        The variable's bins.
    slices
        Its reference counts, (slices, cells).

    Examples
    --------
    >>> words = CategoricalBins(categories=("a", "b"), others=("c", "d"))
    >>> groups(words, np.array([[9, 2, 3, 0, 0], [9, 2, 3, 0, 0]]))
    [(0,), (1,), (2,), (3,)]
    >>> words = CategoricalBins(categories=("a", "b", "c"), others=("d", "e"))
    >>> groups(words, np.array([[9, 2, 2, 3, 0, 0], [9, 2, 2, 3, 0, 0]]))
    [(0,), (1, 2), (3,), (4,)]
    """
    cells = threshold.compared(bins)
    if isinstance(bins, NumericBins) or not bins.others or not len(slices):
        return [(cell,) for cell in cells]
    lucky = _lucky(bins, slices)
    alone = [(cell,) for cell in range(bins.body - 1) if cell not in lucky]
    return [*alone, *([lucky] if lucky else []), (bins.body - 1,), (bins.body,)]


def _lucky(bins: CategoricalBins, slices: Counts) -> tuple[int, ...]:
    """Return the cells of values that are no more frequent than the most frequent of the others may be by luck.

    Rows of a value may come together. So a count is taken for as many fewer events as its slices vary by more than
    Poisson's law lets them.
    """
    own = slices[:, : bins.body - 1]
    spread = own.var(axis=0, ddof=1).sum() / max(own.mean(axis=0).sum(), 1e-9) if len(slices) > 1 else 1.0
    events = np.maximum(spread, 1.0)
    usual = slices[:, bins.body - 1].sum() / len(bins.others)
    as_frequent = special.gammainc(np.maximum(own.sum(axis=0), 0.5) / events, max(usual, 0.5) / events)
    return tuple(np.flatnonzero(as_frequent * len(bins.others) > LUCK).tolist())
