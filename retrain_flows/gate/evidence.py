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
from features.window import Windows, to_ms
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
"""The weight of an autocorrelation phi is (1 - phi)^-TILT, times the likelihood of the history if there is one. With
1.5, an equal model passes in .07 of cases where it is .8, there is no history and each slice is looked at."""
FIRST_STAKE = 0.6
"""Part of the stake on the first slice; the n-th later start gets a part of 1 / (n (n - 1)) of the rest."""
START_SLICES = 5
"""A look begins a new start where there are that many slices since the start before. A change in between looks like
long memory, so starts are close; each of them has less of the stake, which costs a few slices."""
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
    """

    better: float = 0.0
    worse: float = 0.0
    slices: int = 0
    recent: float = 0.0


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
    weights = (1 - phi) ** -TILT
    if history is not None and history.shape[-1] >= slice_memory.MIN_HISTORY:
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
    better, worse = total(of_all, weights), total(likelihood_ratio.mirrored(later), weights)
    slices = flat(looks)
    return Evidence(float(better), float(worse), len(slices), _recent(slices, question.margin))


def described(looks: Looks, question: Question) -> Window | None:
    """Return mean difference and bounds of all slices so far, the margin not taken off; None with too few."""
    return slice_window.window(*slice_sums.arrays(flat(looks)), question.history)


def flat(looks: Looks) -> list[ComparedSlice]:
    """Return the slices of all looks, in order."""
    return [own for look in looks for own in look]


def _filtered(looks: Looks, question: Question) -> likelihood_ratio.Filter:
    """Return the filters of all slices, one for each start."""
    slices = flat(looks)
    sums, rows = slice_sums.arrays(slices, question.margin)
    lags = np.diff([own.start for own in slices], prepend=0) // to_ms(question.windows.slide)
    starts, state = _starts(looks), likelihood_ratio.empty()
    average = next((float(np.mean([own.rows for own in look])) for look in looks if look), 1.0)  # fixed from then on
    for k, (total, n, lag) in enumerate(zip(sums, rows, np.maximum(lags, 1), strict=True)):
        state = likelihood_ratio.begin(state) if k in starts else state
        state = likelihood_ratio.add(state, total / n, n / average, int(lag))
    return state


def _starts(looks: Looks) -> set[int]:
    """Return the index among all slices of each start: the first slices of looks, START_SLICES apart at least."""
    starts: list[int] = []
    count = 0
    for look in looks:
        if not starts or count - starts[-1] >= START_SLICES:
            starts.append(count)
        count += len(look)
    return set(starts)


def total(state: likelihood_ratio.Filter, weights: Floats) -> Floats:
    """Return the stakes times what each start's likelihood ratio has made of them, (...); 0 without a start."""
    if not len(state.slices):
        return np.zeros(())
    ratios = np.minimum(likelihood_ratio.log_ratios(state, weights), LARGEST)
    return np.asarray(np.exp(ratios) @ stakes(len(state.slices)))


def stakes(starts: int) -> Floats:
    """Return the part of the stake on each start.

    >>> stakes(3).round(3).tolist()
    [0.6, 0.2, 0.067]
    """
    n = np.arange(2, starts + 1)
    return np.concatenate([[FIRST_STAKE], (1 - FIRST_STAKE) / (n * (n - 1))])


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
