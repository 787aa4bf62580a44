"""Evidence that one model is better than another: an e-process over windows of slices whose labels have matured.

Labels come late and little by little, and several candidates of one cause follow one another, so a comparison is looked
at again and again. Each look takes the slices that are new since the last one as a window. Its p-value, which reckons
with the memory of slices (:mod:`retrain_flows.gate.slice_memory`), becomes an e-value, a bet that pays 1 on average if
the candidate is no better; the evidence is what the bets have paid so far. It reaches 1 / alpha with a chance of at
most alpha, however often and for however long it is looked at (Ville's inequality), so nothing has to be planned and a
look costs nothing.

A part of the stake is put in at later looks, so that a long time in which both models were alike does not use up what
is there for the day on which the world changes.

References
----------
Ville (1939), "Étude critique de la notion de collectif". Vovk and Wang (2021), "E-values: calibration, combination and
applications", Annals of Statistics 49(3) (calibrators). Ramdas, Grünwald, Vovk and Shafer (2023), "Game-theoretic
statistics and safe anytime-valid inference", Statistical Science 38(4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from features.scoring import Floats
from registry.records import CheckResult
from retrain_flows.gate import slice_memory

MIN_SLICES = 5
"""Slices below which a window says nothing: the standard error would have two degrees of freedom."""
FIRST_STAKE = 0.75
"""Part of the stake that is put in at the first look; the n-th later one gets a part of 1 / (n (n + 1)) of the rest."""
AT_ONCE = 0.5
"""Part of a bet that pays only if the p-value is small enough to decide at once; the rest pays 1 / (2 sqrt(p))."""
BOUNDS = 0.95
"""Confidence of the two-sided bounds of one window by itself. They describe it; evidence decides."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence after a number of looks: that the candidate is better, and that it is worse.

    Parameters
    ----------
    better, worse
        What the bets have paid; 1 / alpha decides.
    looks
        Number of looks.
    """

    better: float = 0.0
    worse: float = 0.0
    looks: int = 0


NONE = Evidence()
"""Before the first look."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window of slices: mean difference of losses (candidate minus reference) with 95 % bounds, and its p-values.

    Parameters
    ----------
    mean, low, high
        The mean over rows and its two-sided 95 % bounds.
    better, worse
        One-sided p-values that the candidate is no better, and no worse.
    rows, slices
        Number of rows and of slices with rows.
    """

    mean: float
    low: float
    high: float
    better: float
    worse: float
    rows: int
    slices: int

    def shifted(self, by: float) -> Window:
        """Return the window with mean and bounds raised by a margin that was taken off before; p-values stay."""
        return replace(self, mean=self.mean + by, low=self.low + by, high=self.high + by)


def window(sums: Floats, rows: Floats, history: Floats | None = None) -> Window | None:
    """Return a window of slices with its p-values; None with fewer than :data:`MIN_SLICES` slices.

    Parameters
    ----------
    sums
        Sum over the rows of a slice of the candidate's loss minus the reference's, (slices,), in order of time.
    rows
        Number of rows, (slices,), all above 0.
    history
        One value a slice of the past, (slices of the past,), from which the memory of slices is learned; without one
        the least favourable memory is assumed.
    """
    n = len(sums)
    if n < MIN_SLICES:
        return None
    mean = float(sums.sum() / rows.sum())
    values = slice_memory.merged(slice_memory.linearised(sums, rows))
    error = float(slice_memory.standard_error(values))
    if error <= 0:  # every slice has the same difference
        p = 0.5 if mean == 0 else (0.0 if mean < 0 else 1.0)
        return Window(mean, mean, mean, p, 1 - p, round(float(rows.sum())), n)
    weights = slice_memory.memory_weights(history)
    better = float(slice_memory.tail(np.array(mean / error), len(values), weights))
    reach = error * slice_memory.critical_ratio((1 - BOUNDS) / 2, len(values), weights)
    return Window(mean, mean - reach, mean + reach, better, 1 - better, round(float(rows.sum())), n)


def e_value(p: float, alpha: float) -> float:
    """Return the e-value of a p-value: its mean is at most 1 where p is at least uniform.

    Examples
    --------
    >>> [round(e_value(p, 0.05), 1) for p in (0.5, 0.05, 0.01, 0.0001)]
    [0.4, 1.1, 29.2, 51.7]
    """
    level = FIRST_STAKE * AT_ONCE * alpha
    p = max(p, 1e-12)
    return AT_ONCE * (p <= level) / level + (1 - AT_ONCE) / (2 * math.sqrt(p))


def add(before: Evidence, looked: Window, alpha: float) -> Evidence:
    """Return the evidence after another look; *alpha* is the error rate of each of the two decisions.

    Examples
    --------
    >>> small = Window(-0.1, -0.15, -0.05, better=0.001, worse=0.999, rows=100, slices=14)
    >>> decide(add(Evidence(), small, 0.05), 0.05).value
    'pass'
    """
    n = before.looks + 1
    stake = FIRST_STAKE if n == 1 else (1 - FIRST_STAKE) / (n * (n - 1))
    return Evidence(
        better=e_value(looked.better, alpha) * (before.better + stake),
        worse=e_value(looked.worse, alpha) * (before.worse + stake),
        looks=n,
    )


def decide(evidence: Evidence, alpha: float) -> CheckResult:
    """Return PASS where the candidate has turned out better, FAIL where it has turned out worse, HOLD otherwise."""
    if evidence.better >= 1 / alpha:
        return CheckResult.PASS
    return CheckResult.FAIL if evidence.worse >= 1 / alpha else CheckResult.HOLD


def in_words(looked: Window, total: Evidence) -> str:
    """Return a window's difference of losses with its bounds, and the evidence of all looks, in words.

    >>> in_words(Window(-0.02, -0.03, -0.01, 0.001, 0.999, 900, 14), Evidence(12.3, 0.1, 2))
    'challenger minus champion -0.0200 (95 % -0.0300 to -0.0100) over 14 slices; evidence that it is better 12.3'
    """
    text = f"challenger minus champion {looked.mean:+.4f} (95 % {looked.low:+.4f} to {looked.high:+.4f})"
    return f"{text} over {looked.slices} slices; evidence that it is better {total.better:.3g}"
