"""A panel of variables that share one part of the false-alarm budget, watched slice by slice.

What is known of the reference is fitted once and frozen; a :class:`PanelState` follows from it and the slices seen, in
order, and from nothing else, so that a verdict can be computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from monitors.sequential import edetector, whitening
from monitors.sequential.slice_scores import ScoreFunction, SliceCounts
from monitors.stats.distance import Distances

Flags = npt.NDArray[np.bool_]
MIN_SLICES = 20
"""Reference slices without which nothing is promised: fewer say too little about memory, and pay too little."""
MAX_MEMORY_MERGED = 0.7
"""The longest memory of slices that were merged because single ones remembered too much: fewer of them are left, a
memory fitted to so few is taken for shorter than it is, and merging was to end it."""
LONG = 0.85, 0.9
"""A series with a longer memory than the first, or whose autocorrelation falls by one lag to no less than the second of
itself, wanders out of the range that its reference has seen, and what is not linear in it (the spread, a chi-square)
does not become exchangeable by whitening."""
MAX_MEMORY_NONLINEAR = 0.35
"""With a middle that remembers more than this, bets are made on its moves only: what is not linear in them (the spread,
a chi-square) comes in bursts."""
MAX_MEDIAN_DECAY = 0.75
"""What the second of those may be at most in the median of a panel, which is a surer figure than a variable's own."""
MIN_VARIANCE = 1e-12
"""The variance below which a series does not vary."""
MAX_CALIBRATION_SLICES = 1000
"""Slices that a bag holds at most, the reference's always among them; the oldest of the others go first."""
SHORT = 0.7, 0.5
"""Slices are shorter than the stream's memory where more than the first of a row's variance lies between them and more
than the second of a slice's level is the last one's: squares of levels then come in bursts that no AR(1) explains."""


@dataclass(frozen=True, eq=False)
class PanelState:
    """What a panel remembers: the *bag* of steady residual scores, the last slice's *level*, and detectors.

    *log_m* is (variables, scores, bets); *latest* the newest residual scores, which :meth:`Panel.update_calibration`
    puts away.
    """

    calibration_scores: Distances
    level: Distances
    log_m: Distances
    latest: Distances | None = None


@dataclass(frozen=True, eq=False)
class Panel:
    """What *measure* says of a reference, from :func:`fit`: its whitened *residuals* in units of their *scale*.

    *doubts* says of every variable why its ranks keep no promise; "" where they do.
    """

    measure: ScoreFunction
    identity: str
    whitener: whitening.Whitener
    residuals: Distances
    scale: Distances
    violations: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""
        return self.measure.names

    @property
    def guaranteed(self) -> Flags:
        """For which variables ranks keep their promise."""
        return np.array([not doubt for doubt in self.violations], bool)

    @property
    def bets(self) -> Flags:
        """On which scores of each variable bets are made, (variables, scores): on none that its memory spoils."""
        memory = np.maximum(self.whitener.phi, self.whitener.decay)[:, :1]
        return np.asarray(self.measure.linear | (memory <= MAX_MEMORY_NONLINEAR))

    @property
    def slices(self) -> int:
        """Number of reference slices."""
        return len(self.residuals)

    def initial_state(self) -> PanelState:
        """Return the state before any slice but the reference's."""
        calibration_scores = self.measure.directed(self.residuals)
        empty = np.full((*calibration_scores.shape[1:], len(edetector.STAKES)), -np.inf)
        return PanelState(calibration_scores, np.full(self.residuals.shape[1:], np.nan), empty)

    def observe(self, state: PanelState, start: int, newest: SliceCounts) -> PanelState:
        """Return the state after the slice at *start* (ms) with the counts *newest*; it is not in the bag yet.

        A variable without rows in the slice is left as it is: that is also how a faulty one is kept out.
        """
        level = self.whitener.season.level(start, self.measure.scores(newest))
        scores = self.measure.directed(self.whitener.residual(level, state.level) / self.scale)
        p = np.where(
            self.bets, edetector.p_values(scores, state.calibration_scores, self._ties(start, scores.shape)), np.nan
        )
        log_m = edetector.step(state.log_m, edetector.log_bets(p, self.slices), ~np.isnan(p)[..., None])
        return replace(state, level=level, log_m=log_m, latest=scores)

    def _ties(self, start: int, shape: tuple[int, ...]) -> Distances:
        """Return what breaks ties, (variables, scores): drawn by name, in whichever order the variables stand."""
        seed = hashlib.sha256(f"{self.identity}|{start}".encode()).digest()
        drawn = np.random.default_rng(int.from_bytes(seed[:8], "big")).random(shape)
        return np.asarray(drawn[self._name_order])

    @cached_property
    def _name_order(self) -> npt.NDArray[np.int64]:
        """The variables' places in the order of their names."""
        return np.argsort(np.argsort(self.names))

    def update_calibration(self, state: PanelState, *, drifting: Flags, reset: Flags) -> PanelState:
        """Put a slice that waits into the bag of the variables that are not *away*, and start the *reset* ones anew."""
        log_m = np.where(reset[:, None, None], -np.inf, state.log_m)
        if state.latest is None:
            return replace(state, log_m=log_m)
        joining = np.where(drifting[:, None], np.nan, state.latest)[None]
        full = len(state.calibration_scores) >= max(self.slices, MAX_CALIBRATION_SLICES)
        later = (
            state.calibration_scores[self.slices + 1 :]
            if full and len(state.calibration_scores) > self.slices
            else state.calibration_scores[self.slices :]
        )
        return PanelState(np.concatenate([state.calibration_scores[: self.slices], later, joining]), state.level, log_m)

    def log_evidence(self, state: PanelState) -> Distances:
        """Return the log of every variable's e-detector, the mean over its scores and bets: (variables,)."""
        return edetector.log_mean(state.log_m, axis=(1, 2))


def fit(
    measure: ScoreFunction, starts: Sequence[int], slide: int, identity: str, *, max_memory: float = LONG[0]
) -> Panel:
    """Return the panel of *measure*, whose reference slices start at *starts* (ms) and are *slide* ms long.

    *identity* seeds the breaking of ties, so that a replay agrees. Of a memory above *longest* nothing is promised.
    """
    whitener, residuals = whitening.fit(measure.reference, np.asarray(starts, np.int64), slide, measure.shared)
    scale, others = _scales(residuals)
    residuals = residuals / others
    return Panel(
        measure, identity, whitener, residuals, scale, tuple(_violations(measure, whitener, residuals, max_memory))
    )


def _scales(residuals: Distances) -> tuple[Distances, Distances]:
    """Return the root mean square of each series over slices, and for each slice that of all the others.

    A slice in units of a scale that it is part of would look smaller than a later one does.
    """
    squares = np.nan_to_num(residuals**2)
    n, total = (~np.isnan(residuals)).sum(axis=0), squares.sum(axis=0)
    scale, others = total / np.maximum(n, 1), (total - squares) / np.maximum(n - 1, 1)
    return np.sqrt(np.maximum(scale, MIN_VARIANCE)), np.sqrt(np.maximum(others, MIN_VARIANCE))


def _violations(
    measure: ScoreFunction, whitener: whitening.Whitener, residuals: Distances, max_memory: float
) -> list[str]:
    n = (~np.isnan(residuals[..., 0])).sum(axis=0)
    memory, decay = (m[..., :2].max(axis=-1, initial=0) for m in (whitener.phi, whitener.decay))
    memory, decay = _at_least_median(memory), _at_least_median(decay, factor=LONG[1] / MAX_MEDIAN_DECAY)
    memory = memory * LONG[0] / max_memory
    scores = measure.directed(residuals)
    autocorrelated = whitening.is_autocorrelated(scores).any(axis=-1) if len(residuals) >= MIN_SLICES else n < 0
    flat = (np.nan_to_num(residuals) ** 2).max(axis=(0, 2), initial=0) < MIN_VARIANCE
    return [
        _violation(
            int(n[v]),
            (float(memory[v]), float(decay[v])),
            bool(autocorrelated[v]),
            bool(flat[v]),
            float(measure.intraclass_correlation[v]),
        )
        for v in range(len(measure.names))
    ]


def _at_least_median(memory: Distances, factor: float = 1.0) -> Distances:
    """Raise each variable's memory to the panel's median, *surer* times: what looks short among long ones may not be.

    A panel of one has no median to speak of.
    """
    return np.maximum(memory, factor * np.median(memory)) if len(memory) > 1 else memory


def _violation(
    n: int, memory: tuple[float, float], autocorrelated: bool, flat: bool, intraclass_correlation: float
) -> str:
    if n < MIN_SLICES:
        return f"the baseline has {n} slices of it; {MIN_SLICES} would do"
    if flat:
        return "it follows the calendar, which is taken away before slices are compared"
    if memory[0] > LONG[0] or memory[1] > LONG[1] or (intraclass_correlation > SHORT[0] and memory[0] > SHORT[1]):
        return "slices are shorter than its memory; longer slices and a longer baseline would do"
    if autocorrelated:
        return "its slices still remember the past after whitening; longer slices or a longer baseline might do"
    return ""
