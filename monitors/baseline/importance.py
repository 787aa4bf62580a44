"""How much each feature matters to a model version, as shares and as weights: drift in what cannot matter wakes nobody.

The figures are made once, with the baseline, and know nothing of what is monitored later. That is why a budget of false
alarms may be shared by them: weights that are fixed beforehand keep the sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

EQUAL_PART = 0.1
"""Share of all weight that is dealt out equally, since importance is an estimate and the world may make it untrue."""
DECIMALS = 6


def normalise(raw: Mapping[str, float]) -> dict[str, float]:
    """Return *raw* as shares of 1, to six decimals; what is negative or no number is 0.

    Empty, which means that nobody knows, if nothing is left.

    >>> normalise({"x": 0.3, "y": 0.1, "noise": -0.002})
    {'x': 0.75, 'y': 0.25, 'noise': 0.0}
    >>> normalise({"noise": -0.002})
    {}
    """
    positive = {name: value if value > 0 and math.isfinite(value) else 0.0 for name, value in raw.items()}
    total = math.fsum(positive.values())
    return {name: round(value / total, DECIMALS) for name, value in positive.items()} if total else {}


def weights(importance: Mapping[str, float], variables: Iterable[str], floor: float = EQUAL_PART) -> dict[str, float]:
    """Return a weight for each of *variables*; together they are 1.

    ``(1 - floor) * share + floor * equal share``, where *share* is a variable's importance among all of *variables* (0
    if it has none of its own). So nothing weighs less than *floor* of its equal share, and a shift in what seems not to
    matter is late to be seen, not invisible. Equal weights if the importance of every one is 0 or unknown.

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
    # The share first: a product with the least of numbers would be nothing.
    return {name: (1 - floor) * (value / total) + floor / len(names) for name, value in own.items()}


def rank(importance: Mapping[str, float], variables: Iterable[str]) -> tuple[str, ...]:
    """Return *variables* from what matters most to what matters least; equals, and the unknown, keep their order.

    >>> rank({"x": 0.2, "y": 0.8}, ["new", "x", "y"])
    ('y', 'x', 'new')
    """
    return tuple(sorted(dict.fromkeys(variables), key=lambda name: -importance.get(name, 0.0)))
