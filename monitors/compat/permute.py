"""Evidently's permutation test of the total variation distance, reproduced with its ties.

The distance of small counts takes few values, so permutations often tie with the observed one, and whether a tie counts
depends on the last bit of a sum whose order is that of a Python set. With the same order the p-value is Evidently
0.7.23's own in the same process; without, it is off by a few hundredths. (For text Python's order changes from process
to process, and with it Evidently's p-value.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from monitors.compat.column import Values

ITERATIONS = 1000
"""Random splits, Evidently's default."""
Codes = npt.NDArray[np.intp]


def permutation_p(reference: Values, current: Values) -> float:
    """Return the share of random splits whose total variation distance is at least the observed one.

    The splits are those of numpy's legacy generator with seed 0, as Evidently sets it.
    """
    labels, codes = _coded(np.concatenate([reference, current]))
    n, size = len(reference), len(labels)
    total = np.bincount(codes, minlength=size)
    observed = _distance(labels, total, codes[:n], _order(codes[n:], size))
    random = np.random.RandomState(0)
    hits = 0
    for _ in range(ITERATIONS):
        drawn = codes[random.permutation(len(codes))[:n]]
        # What was not drawn comes back in the order in which all values first appear.
        hits += observed <= _distance(labels, total, drawn, np.arange(size))
    return hits / ITERATIONS


def _coded(values: Values) -> tuple[list[Any], Codes]:
    """Return the distinct values in the order in which they appear, and every value's index among them."""
    labels, first, codes = np.unique(values, return_index=True, return_inverse=True)
    appearance = np.argsort(first)
    place = np.empty(len(labels), np.intp)
    place[appearance] = np.arange(len(labels))
    return labels[appearance].tolist(), place[codes]


def _order(codes: Codes, size: int) -> Codes:
    """Return the codes that occur, in the order in which they appear."""
    first = np.full(size, len(codes))
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    order = np.argsort(first, kind="stable")
    return order[first[order] < len(codes)]


def _distance(labels: list[Any], total: Codes, drawn: Codes, others: Codes) -> float:
    """Return half the sum of the differences in shares between *drawn* and the rest of *total*.

    The sum is in the order of a set of the labels on either side, those of the rest in the order of *others*.
    """
    p = np.bincount(drawn, minlength=len(labels))
    q = total - p
    place = {label: i for i, label in enumerate(labels)}
    known = {labels[i] for i in _order(drawn, len(labels))} | {labels[i] for i in others if q[i]}
    cells = [place[label] for label in known]
    return float(0.5 * np.sum(np.abs(p[cells] / p.sum() - q[cells] / q.sum())))
