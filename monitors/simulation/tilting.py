"""Exponential tilting of counts: a covariate shift of known size, in whole numbers with unchanged totals.

The result is deterministic, so a replay can be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitors.stats.bins import Counts
from monitors.stats.distance import Distances


def exponential_tilting(counts: Sequence[int], cells: Sequence[int], codes: Distances, size: float) -> list[int]:
    """Return counts whose cells are weighted by ``exp(size * code)``: a covariate shift by *size* sd.

    For a normal variable the tilt is the shift of its mean by *size* sd, to the precision of its bins. A categorical
    variable shifts towards the rarer values. Not imitated: values beyond those that were seen (empty cells stay empty),
    and a change of other features along with it.

    Parameters
    ----------
    counts
        All counts of a variable, (all cells,).
    cells
        The indices of the cells that are weighted.
    codes
        Their normal scores, (cells,), of mean 0 and variance 1 in the baseline.
    size
        The shift in sd; negative shifts down.

    References
    ----------
    Siegmund (1976), "Importance sampling in the Monte Carlo study of sequential tests", Ann. Stat. 4(4).

    Examples
    --------
    >>> exponential_tilting([50, 50, 0], [0, 1, 2], np.array([-1.0, 1.0, 1.0]), 0.5)
    [27, 73, 0]
    """
    out = np.array(counts, np.int64)
    out[list(cells)] = rounded_to_total(
        out[list(cells)] * np.exp(size * (codes - codes.max(initial=0.0))), out[list(cells)].sum()
    )
    return [int(n) for n in out]


def rounded_to_total(weights: Distances | Counts, n: int) -> Counts:
    """Return whole numbers in proportion to weights, (cells,), that add up to *n*.

    Running sums are rounded, so neither a number nor a sum of neighbours is off by 1 or more. All 0 if the weights are.

    >>> rounded_to_total(np.array([1.0, 1.0, 2.0]), 5).tolist(), rounded_to_total(np.zeros(2), 0).tolist()
    ([1, 2, 2], [0, 0])
    """
    total = weights.sum()
    upto = np.cumsum(weights) * (n / total) if total else np.zeros(len(weights))
    return np.diff(np.floor(upto + 0.5).astype(np.int64), prepend=0)
