"""Evidence that one model is better than another: an e-process over slices whose labels have matured.

Labels come late and little by little, and several candidates of one cause follow one another, so a comparison is looked
at again and again. The evidence is a likelihood ratio of all slices so far
(:mod:`retrain_flows.gate.likelihood_ratio`). It reaches 1 / alpha with a chance of at most alpha if the candidate is no
better, however often and for however long it is looked at (Ville's inequality), so nothing has to be planned and a look
costs nothing.

A part of the stake is put on later starts, so that a long time in which both models were alike does not use up what is
there for the day on which the world changes.

References
----------
Ville (1939), "Étude critique de la notion de collectif". Ramdas, Grünwald, Vovk and Shafer (2023), "Game-theoretic
statistics and safe anytime-valid inference", Statistical Science 38(4). Shin, Ramdas and Rinaldo (2024), "E-detectors:
a nonparametric framework for sequential change detection", New England Journal of Statistics in Data Science 2(2)
(weighted starts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.scoring import Floats
from features.window import Windows, from_ms, to_ms
from registry.records import CheckResult, ComparedSlice
from retrain_flows.gate import likelihood_ratio, slice_memory, slice_sums, slice_window
from retrain_flows.gate.slice_window import Window

Looks = Sequence[Sequence[ComparedSlice]]
"""The slices of each look at a comparison, in order of time."""
MIN_SLICES = slice_window.MIN_SLICES
"""Slices below which nothing is decided: what is normal on the whole may not be among so few."""
RECENT_SLICES = 28
"""Newest slices whose mean over rows must not contradict the evidence."""
LONGEST = slice_memory.LEAST_FAVOURABLE
"""Longest memory that is reckoned with: up to it, error rates are as set."""
TILT = 2.25
"""The weight of an autocorrelation phi is (1 - phi)^-TILT, times the likelihood of a short history if there is one.
With 1.5, an equal model passes in .07 of cases where it is .8, there is no history and each slice is looked at."""
LONG_HISTORY = 14
"""Slices of the past from which on the history tells enough for the smaller weights of its own prior
(:data:`retrain_flows.gate.slice_memory.TILT`). With those and ten slices, an equal model passes in .06 of cases."""
FIRST_STAKE = 0.6
"""Part of the stake on the first slice; after n starts, the rest is divided by 1 + log2(n)."""
DENSE_STARTS = 16
"""The first 16 slices are a start each; of the next 16 each second is, of the next 32 each fourth, and so on: none is
further away than an eighth of the slices so far, and their number grows with the logarithm. A change between two starts
looks like long memory, or like a large spread."""
AGREEMENT = 2.0
"""Evidence by the mean difference below which shares of the losses decide nothing: a candidate that is better in quiet
slices, and worse where most of the loss is, is no better."""
LARGEST = 700.0
"""Log ratios above this are cut off, as larger numbers are not representable."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence that the candidate is better, and that it is worse; 1 / alpha decides.

    Parameters
    ----------
    better, worse
        The likelihood ratios.
    slices
        Number of slices that they rest on.
    recent
        Mean difference over the rows of the newest :data:`RECENT_SLICES`: it must not contradict. Evidence weighs
        slices by what they tell about their mean, so large slices may err otherwise than small ones.
    better_since, worse_since
        Start in ms of the slices from which most of the evidence comes; -1 without slices.
    """

    better: float = 0.0
    worse: float = 0.0
    slices: int = 0
    recent: float = 0.0
    better_since: int = -1
    worse_since: int = -1

    def in_words(self, alpha: float) -> str:
        """Return the larger evidence, what it has to reach, and where most of it comes from.

        >>> Evidence(better=72.7, worse=0.2, slices=5, better_since=1738454400000).in_words(0.0375)
        'evidence that it is better: 72.7 of 26.7, most of it from the slices since 2025-02-02 00:00 UTC'
        """
        better = self.better >= self.worse
        side, value, since = (
            ("better", self.better, self.better_since) if better else ("worse", self.worse, self.worse_since)
        )
        origin = f", most of it from the slices since {from_ms(since):%Y-%m-%d %H:%M} UTC" if since >= 0 else ""
        return f"evidence that it is {side}: {value:.3g} of {1 / alpha:.3g}{origin}"


NONE = Evidence()
"""Before the first look."""


@dataclass(frozen=True, slots=True)
class Question:
    """What slices are weighed by.

    Parameters
    ----------
    windows
        What a slice is.
    margin
        By how much a row's loss may be higher and still count as no worse.
    history
        One value a slice of the past, (slices of the past,), from which the memory of slices is learned; None: slices
        have to tell by themselves.
    """

    windows: Windows
    margin: float = 0.0
    history: Floats | None = None


def memory_weights(history: Floats | None) -> Floats:
    """Return the weight of each memory, (..., memories), by a history, (..., slices of the past), or without one.

    Memories above :data:`LONGEST` have no weight: sixty slices cannot exclude them, and they explain every change of
    level, also that from an equal to a better model.
    """
    phi = np.array(slice_memory.AUTOCORRELATIONS)
    past = 0 if history is None else history.shape[-1]
    weights = (1 - phi) ** -(slice_memory.TILT if past >= LONG_HISTORY else TILT)
    if history is not None and past >= slice_memory.MIN_HISTORY:
        weights = weights * slice_memory.autocorrelation_likelihood(history)
    weights = weights * (phi <= LONGEST)
    return likelihood_ratio.weights(np.asarray(weights / weights.sum(axis=-1, keepdims=True)))


def weigh(looks: Looks, question: Question, *, worse_since: int = 0) -> Evidence:
    """Return the evidence of all looks so far.

    Parameters
    ----------
    looks
        The slices of each look; they do not overlap.
    question
        What they are weighed by.
    worse_since
        Index of the first look that counts as evidence of being worse: after a candidate turned out worse, the next
        one is another model.
    """
    weights = memory_weights(question.history)
    of_all = _filtered(looks, question)
    later = of_all if worse_since == 0 else _filtered(looks[worse_since:], question)
    better, worse = by_start(of_all, weights), by_start(likelihood_ratio.mirrored(later), weights)
    slices = flat(looks)
    return Evidence(
        float(better.sum()), float(worse.sum()), len(slices), _recent(slices, question.margin),
        _largest(better, slices), _largest(worse, flat(looks[worse_since:])),
    )  # fmt: skip


def _largest(shares: Floats, slices: Sequence[ComparedSlice]) -> int:
    """Return the beginning of the slice whose start has the largest evidence; -1 without slices."""
    starts = [own.start for k, own in enumerate(slices) if is_start(k)]
    return starts[int(shares.argmax())] if starts else -1


def described(looks: Looks, question: Question) -> Window | None:
    """Return mean difference and bounds of all slices so far, the margin not taken off; None with too few."""
    return slice_window.window(*slice_sums.arrays(flat(looks)), question.history)


def flat(looks: Looks) -> list[ComparedSlice]:
    """Return the slices of all looks, in order."""
    return [own for look in looks for own in look]


def _filtered(looks: Looks, question: Question) -> likelihood_ratio.Filter:
    """Return the filters of all slices, one for each measure and start."""
    slices = flat(looks)
    measures = slice_sums.measures(slices, question.margin)
    lags = np.diff([own.start for own in slices], prepend=0) // to_ms(question.windows.slide)
    state = likelihood_ratio.empty((len(measures),))
    average = next((float(np.mean([own.rows for own in look])) for look in looks if look), 1.0)  # fixed from then on
    for k, (of_slice, own, lag) in enumerate(zip(measures.T, slices, np.maximum(lags, 1), strict=True)):
        state = likelihood_ratio.begin(state) if is_start(k) else state
        state = likelihood_ratio.add(state, of_slice, own.rows / average, int(lag))
    return state


def is_start(slice_number: int) -> bool:
    """Return whether a part of the stake is on a slice, counted from 0, and those after it.

    >>> [k for k in range(70) if is_start(k)][13:]
    [13, 14, 15, 16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 44, 48, 52, 56, 60, 64]
    """
    step: int = 2 ** (slice_number // DENSE_STARTS).bit_length()
    return slice_number % step == 0


def by_start(state: likelihood_ratio.Filter, weights: Floats) -> Floats:
    """Return the evidence from each start, (..., starts); the evidence is their sum.

    Parameters
    ----------
    state
        Filters of both measures (:func:`retrain_flows.gate.slice_sums.measures`), (2, ...).
    weights
        Weight of each memory, (memories,) or (..., memories).
    """
    ratios = np.minimum(likelihood_ratio.log_ratios(state, weights), LARGEST)
    by_means, by_shares = np.exp(ratios) * stakes(len(state.slices))
    agree = by_means.sum(axis=-1, keepdims=True) >= AGREEMENT
    return np.where(agree, (by_means + by_shares) / 2, by_means)


def stakes(starts: int) -> Floats:
    """Return the part of the stake on each start.

    >>> stakes(4).round(3).tolist()
    [0.6, 0.2, 0.045, 0.022]
    """
    left = (1 - FIRST_STAKE) / (1 + np.log2(np.arange(1, starts + 1)))
    return np.asarray(-np.diff(left, prepend=1.0))


def decide(evidence: Evidence, alpha: float) -> CheckResult:
    """Return PASS where the candidate has turned out better, FAIL where it has turned out worse, HOLD otherwise."""
    if evidence.slices < MIN_SLICES:
        return CheckResult.HOLD
    if evidence.better >= 1 / alpha and evidence.recent <= 0:
        return CheckResult.PASS
    return CheckResult.FAIL if evidence.worse >= 1 / alpha and evidence.recent >= 0 else CheckResult.HOLD


def _recent(slices: Sequence[ComparedSlice], margin: float) -> float:
    """Return the mean difference over the rows of the newest slices; 0 without any."""
    sums, rows = slice_sums.arrays(slices[-RECENT_SLICES:], margin)
    return float(sums.sum() / rows.sum()) if len(rows) else 0.0
