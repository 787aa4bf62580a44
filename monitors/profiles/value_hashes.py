"""Value hashes: two sums for each number, which show whether all values of a slice were one and the same.

Counts on bins do not distinguish a stuck sensor from a calm day: both fill one bin. So each value also adds a hash h of
16 bits and its square. n values have the same hash if and only if n times the sum of squares is the square of the sum
(the Cauchy-Schwarz inequality, with equality); two different values have the same one once in 65,536. Sums add up in
any order, as all counts do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from features.schema import VALUE_HASHES
from monitors.stats.bins import Counts
from monitors.stats.stacked_counts import CountsByVariable

SUMS = 2
"""Cells of a number: the sum of hashes, and of their squares."""
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_BITS = 16


def columns(values: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.int64]:
    """Return what each row adds to the sums of each number, (2 x numbers, rows); a value that is not finite adds 0.

    Parameters
    ----------
    values
        The numbers, (rows,) each.
    """
    out = np.empty((SUMS * len(values), len(values[0])), np.int64)
    for i, column in enumerate(values):
        hashes = out[SUMS * i]
        hashes[:] = _hashes(column)
        np.multiply(hashes, hashes, out=out[SUMS * i + 1])
    return out


def _hashes(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the hash of each value, from 1 to 2^16; 0 where it is not finite."""
    mixed = (values + 0.0).view(np.uint64)  # -0.0 is 0.0
    mixed ^= mixed >> np.uint64(32)
    mixed *= _MULTIPLIER
    mixed >>= np.uint64(64 - _BITS)
    mixed += np.uint64(1)
    finite = np.isfinite(values)
    if not finite.all():
        mixed[~finite] = 0
    return mixed.view(np.int64)


def by_variable(names: Sequence[str], sums: Counts) -> dict[str, Counts]:
    """Return the sums of each number, (..., 2), of the sums of all, (..., 2 x numbers); none of none."""
    if not sums.size:
        return {}
    return {name: sums[..., SUMS * i : SUMS * (i + 1)] for i, name in enumerate(names)}


def is_one_value(sums: Counts, n: int) -> bool:
    """Return whether *n* finite values with these sums, (2,), were one and the same.

    >>> is_one_value(columns([np.array([7.5, 7.5, np.nan])]).sum(axis=1), 2)
    True
    >>> is_one_value(columns([np.array([7.5, 7.5, 7.25])]).sum(axis=1), 3)
    False
    """
    total, squares = int(sums[0]), int(sums[1])
    return n > 0 and n * squares == total * total


def spread(sums: Counts, n: int) -> float:
    """Return the variance of the hashes of *n* values, by that of hashes of ever other values: 0 of one, 1 of many."""
    mean = int(sums[0]) / n
    return (int(sums[1]) / n - mean * mean) / (4.0**_BITS / 12)


def with_one_value(sums: Sequence[int], at: int, n: int, share: float) -> list[int]:
    """Return the sums of all numbers, where a share of the *n* values of number *at* is one value (with hash 1).

    >>> with_one_value([9, 9, 70, 800], 1, 10, 1.0)
    [9, 9, 10, 10]
    """
    out = list(sums)
    for cell in range(SUMS * at, SUMS * (at + 1)):
        out[cell] = round((1 - share) * out[cell]) + round(share * n)
    return out


def of_window(names: Sequence[str], counts: CountsByVariable) -> dict[str, Counts]:
    """Return the sums of each number of a window, by its counts; none where these have none."""
    return by_variable(names, np.asarray(counts.get(VALUE_HASHES, ()), np.int64))
