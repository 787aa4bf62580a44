"""Feature importance as shares, weights and ranks: drift of a feature that cannot matter should wake nobody.

The figures are made once, with the baseline, before anything is monitored. That is why the false-alarm budget may be
divided by them: weights that are fixed beforehand keep the expected number of false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

EQUAL_PART = 0.1
"""Part of all weight that is divided equally, 0 to 1: importance is an estimate and may change with the stream, so a
feature without any is still monitored, at a tenth of its equal share (docs/statistics.md, section 2)."""
DECIMALS = 6
"""Decimals to which shares are stored, so that a baseline's digest does not depend on the order of a sum."""


def normalise(raw: Mapping[str, float]) -> dict[str, float]:
    """Return importances as shares of 1, to six decimals; negative and non-finite ones are 0.

    Empty, which means that importance is unknown, if none is positive.

    >>> normalise({"x": 0.3, "y": 0.1, "noise": -0.002})
    {'x': 0.75, 'y': 0.25, 'noise': 0.0}
    >>> normalise({"noise": -0.002})
    {}
    """
    positive = {name: value if value > 0 and math.isfinite(value) else 0.0 for name, value in raw.items()}
    total = math.fsum(positive.values())
    return {name: round(value / total, DECIMALS) for name, value in positive.items()} if total else {}


def weights(importance: Mapping[str, float], variables: Iterable[str], floor: float = EQUAL_PART) -> dict[str, float]:
    """Return the weight of each variable in its signal's evidence; 1 together.

    ``(1 - floor) * share + floor * equal share``, where the share is a variable's importance among all variables given.
    So drift of a feature that seems not to matter is found later, not never. Weights are equal if the importance of
    every variable is 0 or unknown.

    Parameters
    ----------
    importance
        Importance by variable, 0 or more; one that is absent has 0.
    variables
        The variables to weight.
    floor
        The part of all weight that is divided equally, 0 to 1.

    Examples
    --------
    >>> weights({"x": 0.75, "y": 0.25, "z": 0.0}, ["x", "y", "z", "new"])
    {'x': 0.7, 'y': 0.25, 'z': 0.025, 'new': 0.025}
    >>> weights({}, ["x", "y"])
    {'x': 0.5, 'y': 0.5}
    """
    names = tuple(dict.fromkeys(variables))
    own = {name: max(importance.get(name, 0.0), 0.0) for name in names}
    total = math.fsum(own.values())
    if not total:
        return {name: 1 / len(names) for name in names}
    # Divide first: a product with a subnormal number would underflow to 0.
    return {name: (1 - floor) * (value / total) + floor / len(names) for name, value in own.items()}


def rank(importance: Mapping[str, float], variables: Iterable[str]) -> tuple[str, ...]:
    """Return variables from the most to the least important; ties, and unknown ones, keep their order.

    >>> rank({"x": 0.2, "y": 0.8}, ["new", "x", "y"])
    ('y', 'x', 'new')
    """
    return tuple(sorted(dict.fromkeys(variables), key=lambda name: -importance.get(name, 0.0)))
