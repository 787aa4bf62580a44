"""Exchangeability of a reference's slices: which variables the false-alarm guarantee cannot cover, and why.

Conformal ranks keep their level only if whitened slices are exchangeable: in any order equally likely. That is checked
on the reference: enough slices, a memory that an AR(1) coefficient describes, slices longer than that memory, and no
autocorrelation left in the scores. Where it fails, the verdict says so instead of guaranteeing a false-alarm rate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from monitors.sequential import slow_memory, whitening
from monitors.sequential.slice_scores import ScoreFunction
from monitors.stats.distance import Distances

MIN_SLICES = 20
"""Reference slices below which there is no guarantee: fewer tell too little about memory, and the largest bet on R
slices pays (R + 1) / 2."""
MAX_MEMORY = 0.85
"""Largest AR(1) coefficient with a guarantee. A series with a longer memory wanders out of the range that its reference
has seen, and what is not linear in it (spread, chi-square) does not become exchangeable by whitening."""
MAX_MEMORY_MERGED = 0.7
"""The same for slices that were merged because single ones remember too much: fewer are left, and an AR
coefficient that is fitted to few is underestimated."""
MAX_DECAY = 0.9
"""Largest ratio of the lag-2 to the lag-1 autocorrelation with a guarantee: above, the level remembers for longer than
the noise of few rows lets the AR(1) coefficient show."""
MAX_MEDIAN_DECAY = 0.75
"""The same for the median over a panel, which is estimated more surely than one variable's own ratio."""
MAX_INTRACLASS_CORRELATION = 0.7
"""Part of a row's variance between slices above which, together with :data:`INTRACLASS_MEMORY`, slices are shorter than
the stream's memory: squares of levels then come in bursts that no AR(1) explains (docs/decisions/0004: 2.2 to 2.8 false
alarms for each budgeted one on 50-row slices of an AR(.99) stream)."""
INTRACLASS_MEMORY = 0.5
"""AR(1) coefficient above which :data:`MAX_INTRACLASS_CORRELATION` applies."""
WANDERING = (
    "its level wanders over many slices, so a baseline of this length does not show how far it usually goes; "
    "a longer baseline may help"
)
"""The violation of a variable with slow memory: :attr:`.slow_memory.SlowMemory.wandering`."""
BURSTING = (
    "its slices differ more at some times than at others, so that restless times would look like drift; "
    "a longer baseline may help"
)
"""The violation of a variable whose volatility changes: :attr:`.slow_memory.SlowMemory.bursting`."""
MIN_SLICES_SLOW = 60
"""Merged slices that must be left of a variable with slow memory. Merging does not end it but hides it: of 30 slices of
regimes that last 33 single ones a panel's test passed an eighth, with 19 false alarms for each budgeted one."""
MIN_VARIANCE = 1e-12
"""Variance of residuals below which a series is taken as constant."""


@dataclass(frozen=True, eq=False)
class Exchangeability:
    """How far the slices of a panel's reference are exchangeable.

    Parameters
    ----------
    violations
        For every variable why they are not, "" where they are.
    slow_memory
        How much slow memory the others may have that the test cannot see: :attr:`.slow_memory.SlowMemory.possible`.
    """

    violations: tuple[str, ...]
    slow_memory: float


def examine(
    measure: ScoreFunction, whitener: whitening.Whitener, residuals: Distances, identity: str, *, merged: bool
) -> Exchangeability:
    """Return how far the reference slices of a panel are exchangeable.

    Variables that other tests find fault with have no part in the pooled test for slow memory.

    Parameters
    ----------
    measure, whitener
        What made the residuals.
    residuals
        The reference's whitened series, (slices, variables, series).
    identity
        The seed of permutations.
    merged
        Whether slices are merged ones, of which less memory is borne.
    """
    out = _violations(measure, whitener, residuals, MAX_MEMORY_MERGED if merged else MAX_MEMORY)
    rest = [v for v, doubt in enumerate(out) if not doubt]
    if not rest:
        return Exchangeability(tuple(out), 0.0)
    part = replace(whitener, phi=whitener.phi[rest], decay=whitener.decay[rest])
    slow = slow_memory.examine(part, residuals[:, rest], identity, merged=merged)
    for at, wandering, bursting in zip(rest, slow.wandering, slow.bursting, strict=True):
        out[at] = WANDERING if wandering else BURSTING if bursting else ""
    return Exchangeability(tuple(out), slow.possible)


def may_be_merged(violation: str, slices: int) -> bool:
    """Return whether a variable with this violation may be tried on merged slices of which there are so many."""
    return violation not in (WANDERING, BURSTING) or slices >= MIN_SLICES_SLOW


def _violations(
    measure: ScoreFunction, whitener: whitening.Whitener, residuals: Distances, max_memory: float
) -> list[str]:
    """Return for every variable what each variable's own slices have against it, "" where that is nothing.

    A memory is judged in units of its limit *max_memory*.
    """
    n = (~np.isnan(residuals[..., 0])).sum(axis=0)
    memory, decay = (m[..., :2].max(axis=-1, initial=0) for m in (whitener.phi, whitener.decay))
    memory, decay = _at_least_median(memory), _at_least_median(decay, factor=MAX_DECAY / MAX_MEDIAN_DECAY)
    memory = memory * MAX_MEMORY / max_memory
    scores = measure.directed(residuals)
    autocorrelated = whitening.is_autocorrelated(scores).any(axis=-1) if len(residuals) >= MIN_SLICES else n < 0
    constant = (np.nan_to_num(residuals) ** 2).max(axis=(0, 2), initial=0) < MIN_VARIANCE
    return [
        _violation(
            int(n[v]),
            memory=float(memory[v]),
            decay=float(decay[v]),
            autocorrelated=bool(autocorrelated[v]),
            constant=bool(constant[v]),
            intraclass_correlation=float(measure.intraclass_correlation[v]),
        )
        for v in range(len(measure.names))
    ]


def _at_least_median(memory: Distances, factor: float = 1.0) -> Distances:
    """Return each variable's memory, (variables,), raised to *factor* times the panel's median.

    An estimate that is short among long ones is probably too short. A panel of one variable has no median.
    """
    return np.maximum(memory, factor * np.median(memory)) if len(memory) > 1 else memory


def _violation(
    n: int, *, memory: float, decay: float, autocorrelated: bool, constant: bool, intraclass_correlation: float
) -> str:
    """Return why the *n* slices of one variable are not exchangeable, in words that a finding can quote, or ""."""
    if n < MIN_SLICES:
        return f"the baseline has {n} slices with values of it, and a guarantee needs {MIN_SLICES}"
    if constant:
        return "hour, weekday or month determine its values, and are subtracted before slices are compared"
    within = intraclass_correlation > MAX_INTRACLASS_CORRELATION and memory > INTRACLASS_MEMORY
    if memory > MAX_MEMORY or decay > MAX_DECAY or within:
        return "its level changes more slowly than a slice lasts; longer slices and a longer baseline would help"
    if autocorrelated:
        return "its slices depend on the slices before them; longer slices or a longer baseline may help"
    return ""
