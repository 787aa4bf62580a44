"""Conformal e-detectors: conformal p-values, bets on them (e-values), and Shiryaev-Roberts statistics of the bets.

An e-value is a non-negative number whose mean is at most 1 while nothing has changed. The Shiryaev-Roberts e-detector
``M_t = e_t (M_{t-1} + 1)`` reaches A for the first time after at least A steps on average. So does any weighted mean of
such detectors whose e-values have mean 1 given the past of all of them; for scores and variables that each know their
own past only, that is measured (docs/statistics.md, section 1). E-values are bets on conformal p-values: where a
slice's score ranks among those of the reference and of all steady slices since (a conformal test martingale). No
distribution is assumed, only that slices are exchangeable.

Half of the weight is on five bets that a p-value is small, half on bets that know the age of the supposed change
(:mod:`monitors.sequential.aged_bets`). What evidence beyond the line would be worth nothing, as an alarm takes all of
it: it is paid out beforehand, where a bet reaches the line (``_without_overshoot``).

References
----------
Shin, Ramdas and Rinaldo (2024), "E-detectors: a nonparametric framework for sequential change detection",
New England Journal of Statistics in Data Science 2(2); arXiv:2203.03532 (2022).
Vovk, Gammerman and Shafer (2022), "Algorithmic Learning in a Random World", 2nd ed. (conformal test martingales).
Fischer and Ramdas (2024), "Improving Wald's (approximate) sequential probability ratio test by avoiding overshoot",
arXiv:2410.16076.
Vovk and Wang (2021), "E-values: calibration, combination and applications", Ann. Stat. 49(3).
Roberts (1966), "A comparison of some control chart procedures", Technometrics 8(3).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from monitors.sequential import aged_bets
from monitors.stats.distance import Distances

STAKES = np.array([0.5, 0.5, 0.5, 0.4, 0.3])
"""Share of the capital that each of the five bets risks, 0 to 1 (the w of :func:`log_bets`).

Chosen with the tails of :func:`tail_probabilities` in simulations, where shifts were found two to four times as fast as
by the calibrator ``(1 - p + p ln p) / (p ln^2 p)`` of Vovk and Wang; delays of the choice: docs/statistics/power.md.
"""
FIXED_TAILS = np.array([0.05, 0.15, 0.4])
"""Tail probabilities of the three bets that do not depend on the number of reference slices: from moderate to small
shifts. Evidence as for :data:`STAKES`."""
SMALLEST_RANKS = np.array([1.0, 3.0])
"""The ranks that the other two bets are on: the smallest possible p-value, and the three smallest, for large shifts."""
AGED_WEIGHT = 0.5
"""Weight of all bets that know the age of a change; the five that do not share the rest. With all of it a shift by a
quarter of a sd is found half a slice sooner, and nothing else is: .5 costs less evidence than a slice brings."""
BETS = len(STAKES) + aged_bets.BETS
WEIGHTS = np.concatenate([
    np.full(len(STAKES), (1 - AGED_WEIGHT) / len(STAKES)),
    np.full(aged_bets.BETS, AGED_WEIGHT / len(aged_bets.SHIFTS)),
])  # fmt: skip
"""The weight of every bet's detector, (bets,): each supposed shift has one, which is the sum over its ages."""
SMALLEST_P = 1 / 2002
"""The first border of the cells that payoffs are worked out for: below every rank among 1,000 slices."""
CELLS = 90
"""About how many cells of p-values there are, each a tenth longer than the one before."""
LARGEST = 1e200
"""A detector stops growing here, so that one that is left alone stays a number; less is always allowed."""
MARGIN = 1 + 1e-9
"""How far beyond the line a detector goes that is to reach it, so that no rounding holds it back."""


def tail_probabilities(reference: int) -> Distances:
    """Return the tail probability q that each of the five bets is on, (5,), for a number of *reference* slices.

    >>> tail_probabilities(59).round(4).tolist()
    [0.0167, 0.05, 0.05, 0.15, 0.4]
    """
    return np.concatenate([SMALLEST_RANKS / (reference + 1), FIXED_TAILS])


def p_values(score: Distances, calibration_scores: Distances, ties: Distances) -> Distances:
    """Return conformal p-values: the share of slices, this one included, that are at least as far from the reference.

    With randomised ties a p-value is exactly uniform while slices are exchangeable.

    Parameters
    ----------
    score
        The score of the newest slice, (...); larger is further from the reference. NaN has a p-value of NaN.
    calibration_scores
        The scores of the slices that it is ranked among, (slices, ...); NaN is left out.
    ties
        Uniform random numbers in [0, 1), (...), that break ties.

    Returns
    -------
    Distances
        The p-values, (...), in (0, 1].
    """
    further = (calibration_scores > score).sum(axis=0)
    equal = (calibration_scores == score).sum(axis=0) + 1
    size = (~np.isnan(calibration_scores)).sum(axis=0) + 1
    return np.where(np.isnan(score), np.nan, (further + ties * equal) / size)


def log_bets(p: Distances, reference: int) -> Distances:
    """Return the log e-values of the five bets on p-values *p* (...), (..., 5); 0, which is no bet, where p is NaN.

    ``e = (1 - w) + w [p <= q] / q`` with stakes w and tails q has mean 1 for a uniform p, and pays ``1 - w + w / q`` in
    the tail. *reference* is the number of reference slices.

    >>> log_bets(np.array([1.0, np.nan]), 59).round(2).tolist()
    [[-0.69, -0.69, -0.69, -0.51, -0.36], [0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    q = tail_probabilities(reference)
    e = (1 - STAKES) + STAKES * (p[..., None] <= q) / q
    return np.asarray(np.where(np.isnan(p)[..., None], 0.0, np.log(e)))


@lru_cache(maxsize=256)
def _borders(reference: int) -> Distances:
    """Return ascending p-values, from 0 to 1, between which no bet's payoff changes, or by as little as it matters."""
    grid = np.concatenate([[0.0], np.geomspace(SMALLEST_P, 1.0, CELLS)])
    return np.asarray(np.unique(np.concatenate([grid, tail_probabilities(reference)])))


@lru_cache(maxsize=256)
def _payoffs(reference: int, size: int) -> Distances:
    borders = _borders(reference)
    on_tails = np.exp(log_bets((borders[1:] + borders[:-1]) / 2, reference))
    return np.concatenate([on_tails, aged_bets.payoffs(borders, size)], axis=1)


def payoffs(reference: int, ranked_among: int) -> tuple[Distances, Distances]:
    """Return cells of p-values and what all bets pay in them, 1 on average: borders (cells + 1,), (cells, bets).

    Both follow from numbers that are known before the slice: of *reference* slices, and of those it is *ranked among*.
    """
    return _borders(reference), _payoffs(reference, aged_bets.table_size(ranked_among))


def step(
    m: Distances,
    p: Distances,
    reference: int,
    ranked_among: int,
    *,
    retention: float | Distances = 1.0,
    lines: Distances | None = None,
) -> Distances:
    """Return every detector after a slice, (..., bets); where p is NaN, nothing was seen, and it stays as it is.

    Parameters
    ----------
    m
        The detectors before it, (..., bets).
    p
        The p-values of the slice, (...).
    reference, ranked_among
        How many slices the reference has, and how many the slice is ranked among.
    retention
        The part of its evidence that a detector keeps, 0 to 1: a number or (...).
    lines
        The weighted sum of a score's detectors that raises an alarm by itself, (...); None where it is not known.
    """
    borders, table = payoffs(reference, ranked_among)
    unseen = np.isnan(p)
    cell = np.maximum(np.searchsorted(borders, np.where(unseen, 0.5, p)) - 1, 0)
    before = np.concatenate([m[..., : len(STAKES)] + 1.0, aged_bets.aged(m[..., len(STAKES) :])], axis=-1)
    before *= np.asarray(retention)[..., None]
    after = before * np.take(table, cell, axis=0)
    if lines is not None:
        _without_overshoot(after, before, cell, np.diff(borders), table, lines)
    np.minimum(after, LARGEST, out=after)
    after[unseen] = m[unseen]
    return np.asarray(after)


def _without_overshoot(
    after: Distances,
    before: Distances,
    cell: npt.NDArray[np.int64],
    width: Distances,
    table: Distances,
    lines: Distances,
) -> None:
    """Change in place what bets have paid, where some p-value would take the weighted sum beyond its line.

    Of a sum that pays F(p) and would exceed the line L somewhere, ``min(b F(p), L)`` is paid, with b such that its mean
    is the same as before. Where the line is exceeded already (the effect is too small, say) all is paid as it is.

    Parameters
    ----------
    after, before
        What every bet has paid in *cell* (...), and what was at stake, (..., bets).
    width, table
        The length of every cell, (cells,), and what the bets pay there, (cells, bets).
    lines
        See :func:`step`.
    """
    lines = np.broadcast_to(lines, cell.shape) * MARGIN
    mean, most = before @ WEIGHTS, before @ (WEIGHTS * table[0])
    near = (most > lines) & (mean < lines)
    if not near.any():
        return
    paid, line, mean = before[near] @ (WEIGHTS * table).T, lines[near][:, None], mean[near][:, None]
    capped = np.concatenate([[0.0], np.cumsum(width)[:-1]])
    rest = np.cumsum((paid * width)[:, ::-1], axis=1)[:, ::-1]
    factor = np.maximum((mean - line * capped) / rest, 0.0)
    first = np.argmax(factor * paid <= line, axis=1)  # payoffs fall from cell to cell: all before it are at the line
    factor = np.take_along_axis(factor, first[:, None], axis=1)
    now = np.take_along_axis(paid, cell[near][:, None], axis=1)
    after[near] *= np.minimum(factor * now, line) / now


def evidence(m: Distances) -> Distances:
    """Return the weighted sum of each score's detectors, (...), of (..., bets)."""
    return np.asarray(m @ WEIGHTS)


def log_evidence(m: Distances) -> Distances:
    """Return the log of the mean over scores of :func:`evidence`, (...), of (..., scores, bets); log 0 is -inf."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(evidence(m).mean(axis=-1)))
