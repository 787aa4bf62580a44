"""Bets that know how old the supposed change is: likelihood ratios of one rank.

Slices after a change join those that later ones are ranked among, so a change hides itself: what ranked first among 60
ranks in the middle of its like some slices later. A bet that pays on the smallest ranks alone starves. Suppose that
scores are normal with variance 1, moved by d since j slices. Then the number of slices further away than the newest is
binomial among the old ones and among the j - 1 new ones, and the law of its rank follows. The density of that law, in
units of the uniform one, is an e-value: its mean is 1 while ranks are uniform, whatever the scores' law is. For a large
d it is ``(n + j) / j`` on the j smallest of ``n + j`` ranks; over k slices that multiplies to ``C(n + k, k)``, the most
that exchangeability lets k slices pay.

When the change was is not known, so there is a bet for every start, and their products are summed (Shiryaev-Roberts).
Starts of an age above four share a few ages: the part of them that moves on is fixed, so that nothing is lost.

References
----------
Savage (1956), "Contributions to the theory of rank order statistics: the two-sample case", Ann. Math. Stat. 27.
Shin, Ramdas and Rinaldo (2024), "E-detectors: a nonparametric framework for sequential change detection",
New England Journal of Statistics in Data Science 2(2).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import special

from monitors.stats.distance import Distances

SHIFTS = (0.5, 1.0, 2.0, 8.0)
"""Supposed changes of a score, in sd between slices; 8 is any large one. Three of them are a tenth slower on a shift
of half a row's sd, five no faster (docs/decisions/0025)."""
AGES = (1, 2, 3, 4, 6, 8, 16)
"""Supposed ages of a change, in slices."""
STAYING = np.array([0.0, 0.0, 0.0, 0.0, 0.5, 0.75, 1.0])
"""Part of the starts of each age that have this age in the next slice too: 6 stands for 5 and 6, 8 for 7 to 10, 16 for
more. Thirty ages, each by itself, are no faster."""
STAKE = 0.95
"""Share of the capital that a bet risks: the rest is what a slice that contradicts the change leaves."""
STAY, MOVE_ON = np.tile(STAYING, len(SHIFTS)), np.tile(1 - STAYING, len(SHIFTS))[:-1]
"""The same for every bet, (bets,), and the part that moves on to the next, (bets - 1,): 0 of the oldest of a shift."""
BETS = len(SHIFTS) * len(AGES)
SIZES = (20, 25, 30, 40, 50, 60, 80, 100, 130, 160, 200, 250, 300, 400, 500, 600, 800, 1000)
"""Numbers of slices that payoffs are worked out for; in between those of the next smaller one are good."""
NODES = np.linspace(-8, 8, 161)
"""Scores, in sd from their mean, over which chances are averaged."""


def table_size(ranked_among: int) -> int:
    """Return the number of slices whose payoffs are used where a slice is *ranked among* so many.

    >>> table_size(67), table_size(5)
    (60, 20)
    """
    return max((size for size in SIZES if size <= ranked_among), default=SIZES[0])


def payoffs(borders: Distances, size: int) -> Distances:
    """Return what each bet pays where a p-value lies between two *borders*, (cells, bets): 1 on average.

    Parameters
    ----------
    borders
        Ascending p-values, from 0 to 1, (cells + 1,).
    size
        How many slices a slice is ranked among, one of :data:`SIZES`.
    """
    width = np.diff(borders)[:, None]
    below = np.stack([np.interp(borders, np.linspace(0, 1, len(law)), law) for law in _laws(size)], axis=-1)
    return np.asarray((1 - STAKE) + STAKE * np.diff(below, axis=0) / width)


@lru_cache(maxsize=len(SIZES))
def _laws(size: int) -> tuple[Distances, ...]:
    """Return for each bet the chances of at most so many of *size* slices that are further away, (size + 2,)."""
    return tuple(_law(shift, age, size) for shift in SHIFTS for age in AGES)


def _law(shift: float, age: int, size: int) -> Distances:
    """Return the chance that at most k - 1 slices are further away, (size + 2,), for k from 0 on."""
    new = age - 1
    old = size - new
    among_old, among_new = _binomial(old, NODES + shift), _binomial(new, NODES)
    weights = np.exp(-(NODES**2) / 2)
    chance = np.zeros(size + 1)
    for k in range(new + 1):
        chance[k : k + old + 1] += (weights * among_new[:, k]) @ among_old
    return np.concatenate([[0.0], np.cumsum(chance / chance.sum())])


def _binomial(n: int, score: Distances) -> Distances:
    """Return the chances that 0 to n of n standard normal scores are beyond each *score*, (scores, n + 1)."""
    k = np.arange(n + 1)
    ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    beyond, below = (special.log_ndtr(side)[:, None] for side in (-score, score))
    return np.asarray(np.exp(ways + k * beyond + (n - k) * below))


def aged(m: Distances) -> Distances:
    """Return the sums over starts, (..., bets), a slice later, each supposed change beginning anew with the slice.

    >>> aged(np.zeros(BETS)).reshape(len(SHIFTS), -1)[0].tolist()
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    out = m * STAY
    out[..., 1:] += m[..., :-1] * MOVE_ON
    out[..., :: len(AGES)] += 1.0
    return np.asarray(out)
