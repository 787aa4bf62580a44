"""Columns for the systems' metrics: values without missing ones, value counts of two sides, and the result type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import distance

Values = npt.NDArray[Any]
"""A column, (rows,): float64 with nan for a missing number, or objects with None for a missing category."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A system's metric and verdict on one column of current rows against the reference's.

    Parameters
    ----------
    system
        The system.
    method
        Its name for the method.
    value
        A distance or a p-value, as the method has it; nan where the system gives no number.
    threshold
        The threshold that applied, if any.
    drifted
        The verdict; None where the system has no rule of its own and no threshold was given.
    p_value
        The p-value, where the verdict rests on one and `value` is something else.
    """

    system: str
    method: str
    value: float
    threshold: float | None
    drifted: bool | None
    p_value: float | None = None


def present(values: Values) -> Values:
    """Return *values* without missing ones; infinite numbers stay.

    >>> present(np.array([1.0, np.nan, np.inf])).tolist(), present(np.array(["a", None], dtype=object)).tolist()
    ([1.0, inf], ['a'])
    """
    return np.asarray(values[pd.notna(values)])


def tally(reference: Values, current: Values) -> tuple[Floats, Floats]:
    """Return how often each value occurs on either side, over all values that occur, in sorted order.

    >>> p, q = tally(np.array(["a", "b", "a"], dtype=object), np.array(["c"], dtype=object))
    >>> p.tolist(), q.tolist()
    ([2.0, 1.0, 0.0], [0.0, 0.0, 1.0])
    """
    labels, codes = np.unique(np.concatenate([reference, current]), return_inverse=True)
    p, q = (np.bincount(side, minlength=len(labels)) for side in np.split(codes, [len(reference)]))
    return p.astype(np.float64), q.astype(np.float64)


def js_distance(p: Floats, q: Floats, base: float | None = None) -> float:
    """Return scipy's Jensen-Shannon distance, as Evidently and NannyML do, in nats unless *base* is given.

    It is nan where rounding takes the divergence of nearly equal sides below 0, as in theirs.
    """
    with np.errstate(invalid="ignore"):
        return float(distance.jensenshannon(p, q, base))
