"""Counts weighted anew: as whole numbers, with every total kept, and the same each time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitors.stats.bins import Counts
from monitors.stats.distance import Distances


def exponential_tilting(counts: Sequence[int], cells: Sequence[int], codes: Distances, size: float) -> list[int]:
    """Return *counts* with *cells* weighted by ``exp(size * code)``: the covariate shift by *size* sd.

    *codes* are the cells' normal scores, of mean 0 and unit variance in the baseline. For a normal variable the tilt is
    the shift of its mean by *size* sd, to the precision of its bins. A category moves towards the rarer ones. Not
    imitated: values beyond those that were seen (empty cells stay empty), and a move of other features along with it.

    >>> exponential_tilting([50, 50, 0], [0, 1, 2], np.array([-1.0, 1.0, 1.0]), 0.5)
    [27, 73, 0]
    """
    out = np.array(counts, np.int64)
    out[list(cells)] = rounded_to_total(
        out[list(cells)] * np.exp(size * (codes - codes.max(initial=0.0))), out[list(cells)].sum()
    )
    return [int(n) for n in out]


def rounded_to_total(weights: Distances | Counts, n: int) -> Counts:
    """Return whole numbers in proportion to *weights* that add up to *n*: their running sums are rounded.

    So no number is off by one or more, nor are sums of neighbours.

    >>> rounded_to_total(np.array([1.0, 1.0, 2.0]), 5).tolist(), rounded_to_total(np.zeros(2), 0).tolist()
    ([1, 2, 2], [0, 0])
    """
    total = weights.sum()
    upto = np.cumsum(weights) * (n / total) if total else np.zeros(len(weights))
    return np.diff(np.floor(upto + 0.5).astype(np.int64), prepend=0)
