"""Alpha spending, which the gate's evidence replaced: an error rate divided over looks, candidates and tries.

It is here to be compared with (docs/decisions/0011-evidence-over-windows.md).

Looks at a growing sample are dependent, and the boundaries of a group sequential test make use of that: the level of a
look is such that a Brownian motion crosses any boundary by then with exactly the part of alpha that is spent by then.

References
----------
Lan and DeMets (1983), "Discrete sequential boundaries for clinical trials", Biometrika 70(3). Armitage, McPherson and
Rowe (1969), "Repeated significance tests on accumulating data", JRSS A 132(2).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy import optimize, special

from features.scoring import Floats

MIN_SLICES = 5
"""Slices below which there is no look."""
LOOK_GROWTH = (7, 5)
"""A look counts if there are at least 7/5 of the slices of the last one that did. If each new slice counted, the level
of a look would be lower: better models passed by 5, 7, 10, 14, 20, ... slices less often, and on average a slice
sooner."""
DELAY = 10
"""By n slices, exp(-DELAY / n) of alpha is spent by looks from the first slices on: .14 at 5, .49 at 14, .72 at 30, .85
at 60. Little is spent where next to nothing can be decided yet."""
FIRST = 0.6
"""A first look that comes late also spends FIRST times what had been spent by then: .64 of alpha at 14 slices, .84 at
30, .92 at 60."""
DECAY = 1.5
"""The k-th try of a version has a share in proportion to (k + 1)^-DECAY: .22 the first, .12 the second, .017
the tenth."""
GRID = 401
"""Points of the density between looks; 1,601 change a level by less than 1 %."""


def alpha_of_try(alpha: float, k: int, *, candidates: int = 1) -> float:
    """Return the error rate of one candidate of a version's k-th try, such that all that are ever made sum to alpha.

    Parameters
    ----------
    alpha
        Error rate over the life of a version: the chance that any candidate passes that is not better.
    k
        Number of the try against this version, from 1.
    candidates
        Number of candidates that are compared with the version in this try; each has an equal part (Bonferroni), which
        holds whatever they have in common.

    Examples
    --------
    >>> [round(alpha_of_try(0.05, k), 5) for k in (1, 2, 10)]
    [0.01096, 0.00597, 0.00085]
    """
    if k < 1 or candidates < 1:
        message = f"tries and candidates are counted from 1, not {k} and {candidates}"
        raise ValueError(message)
    return float(alpha * (k + 1) ** -DECAY / special.zeta(DECAY, 2) / candidates)


def spent(slices: int, alpha: float, *, first: int) -> float:
    """Return the part of alpha that is spent by a look at a number of slices, however many looks there were before.

    Parameters
    ----------
    slices
        Number of slices now.
    alpha
        Error rate over all looks.
    first
        Number of slices at the first look, at most *slices*. When that is must not depend on the differences.

    Examples
    --------
    >>> [round(spent(n, 1, first=5), 2) for n in (5, 14, 56)], [round(spent(n, 1, first=14), 2) for n in (14, 56)]
    ([0.21, 0.53, 0.85], [0.64, 0.88])
    """
    by_now, at_first = (float(np.exp(-DELAY / n)) for n in (slices, first))
    return alpha * (1 - (1 - by_now) * (1 - FIRST * at_first))


def next_look(slices: int) -> int:
    """Return the number of slices of the first look that counts after one at *slices*.

    >>> [next_look(n) for n in (5, 7, 10, 14, 20)]
    [7, 10, 14, 20, 28]
    """
    grown, of = LOOK_GROWTH
    return -(-slices * grown // of)


def counted_looks(looks: Sequence[int], slices: int) -> tuple[int, ...]:
    """Return the looks that count, in order, of earlier ones and one at *slices* now.

    >>> counted_looks([5, 6, 7, 8, 9, 10], 11), counted_looks([], 30), counted_looks([], 4)
    ((5, 7, 10), (30,), ())
    """
    if looks and max(looks) > slices:
        message = f"there was a look at {max(looks)} slices, and there are {slices} now"
        raise ValueError(message)
    counted: list[int] = []
    for n in sorted({*looks, slices}):
        if n >= (next_look(counted[-1]) if counted else MIN_SLICES):
            counted.append(n)
    return tuple(counted)


@lru_cache(maxsize=256)
def levels(looks: tuple[int, ...], alpha: float) -> tuple[float, ...]:
    """Return the one-sided level of each look.

    Parameters
    ----------
    looks
        Numbers of slices, ascending: the times of the Brownian motion.
    alpha
        Error rate over all looks, of which :func:`spent` is spent by each.

    Examples
    --------
    >>> [round(level, 4) for level in levels((14, 20), 0.05)]
    [0.032, 0.0131]
    """
    first = spent(looks[0], alpha, first=looks[0])
    bound = -float(special.ndtri(first)) * np.sqrt(looks[0])
    at = np.linspace(-8 * np.sqrt(looks[0]), bound, GRID)
    density = np.exp(-(at**2) / 2 / looks[0]) / np.sqrt(2 * np.pi * looks[0])
    out = [first]
    for before, now in pairwise(looks):
        mass, step = density * _trapezoid(at), np.sqrt(now - before)
        due = spent(now, alpha, first=looks[0]) - spent(before, alpha, first=looks[0])
        bound = _crossed(at, mass, float(step), due)
        out.append(float(special.ndtr(-bound / np.sqrt(now))))
        at, arrived = np.linspace(-8 * np.sqrt(now), bound, GRID), at
        density = np.exp(-(((at[:, None] - arrived) / step) ** 2) / 2) @ mass / (np.sqrt(2 * np.pi) * step)
    return tuple(out)


def _trapezoid(at: Floats) -> Floats:
    """Return the weights of an integral over equidistant points."""
    weights = np.full(len(at), at[1] - at[0])
    weights[[0, -1]] /= 2
    return weights


def _crossed(at: Floats, mass: Floats, step: float, due: float) -> float:
    """Return the boundary that a step from the mass at *at* crosses with the probability *due*."""
    highest = float(at[-1]) + 12 * step
    return float(optimize.brentq(lambda b: float(mass @ special.ndtr((at - b) / step)) - due, float(at[0]), highest))
