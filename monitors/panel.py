"""A panel of variables that share one part of the false-alarm budget, watched slice by slice.

What is known of the reference is fitted once and frozen; a :class:`State` follows from it and the slices seen, in
order, and from nothing else, so that a verdict can be computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from monitors import edetector, whiten
from monitors.distance import Distances
from monitors.series import Measure, Tallies

Flags = npt.NDArray[np.bool_]
LEAST = 20
"""Reference slices without which nothing is promised: fewer say too little about memory, and pay too little."""
KEPT = 1000
"""Slices that a bag holds at most, the reference's always among them; the oldest of the others go first."""
SHORT = 0.7, 0.5
"""Slices are shorter than the stream's memory where more than the first of a row's variance lies between them and more
than the second of a slice's level is the last one's: squares of levels then come in bursts that no AR(1) explains."""


@dataclass(frozen=True, eq=False)
class State:
    """What a panel remembers: the *bag* of steady residual scores, the last slice's *level*, and detectors.

    *log_m* is (variables, scores, bets); *latest* the newest residual scores, which :meth:`Panel.settle` puts away.
    """

    bag: Distances
    level: Distances
    log_m: Distances
    latest: Distances | None = None


@dataclass(frozen=True, eq=False)
class Panel:
    """What *measure* says of a reference, from :func:`fit`.

    *doubts* says of every variable why its ranks keep no promise; "" where they do.
    """

    measure: Measure
    identity: str
    whitener: whiten.Whitener
    residuals: Distances
    doubts: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""
        return self.measure.names

    @property
    def promised(self) -> Flags:
        """For which variables ranks keep their promise."""
        return np.array([not doubt for doubt in self.doubts], bool)

    @property
    def slices(self) -> int:
        """Number of reference slices."""
        return len(self.residuals)

    def start(self) -> State:
        """Return the state before any slice but the reference's."""
        bag = self.measure.directed(self.residuals)
        empty = np.full((*bag.shape[1:], len(edetector.STAKES)), -np.inf)
        return State(bag, np.full(self.residuals.shape[1:], np.nan), empty)

    def look(self, state: State, start: int, newest: Tallies) -> State:
        """Return the state after the slice at *start* (ms) with the counts *newest*; it is not in the bag yet.

        A variable without rows in the slice is left as it is: that is also how a faulty one is kept out.
        """
        level = self.whitener.level(start, self.measure.series(newest))
        scores = self.measure.directed(self.whitener.residual(level, state.level))
        seed = hashlib.sha256(f"{self.identity}|{start}".encode()).digest()
        ties = np.asarray(np.random.default_rng(int.from_bytes(seed[:8], "big")).random(scores.shape))
        p = edetector.p_values(scores, state.bag, ties)
        log_m = edetector.step(state.log_m, edetector.log_bets(p, self.slices), ~np.isnan(p)[..., None])
        return replace(state, level=level, log_m=log_m, latest=scores)

    def settle(self, state: State, *, away: Flags, reset: Flags) -> State:
        """Put a slice that waits into the bag of the variables that are not *away*, and start the *reset* ones anew."""
        log_m = np.where(reset[:, None, None], -np.inf, state.log_m)
        if state.latest is None:
            return replace(state, log_m=log_m)
        joining = np.where(away[:, None], np.nan, state.latest)[None]
        full = len(state.bag) >= max(self.slices, KEPT)
        later = state.bag[self.slices + 1 :] if full and len(state.bag) > self.slices else state.bag[self.slices :]
        return State(np.concatenate([state.bag[: self.slices], later, joining]), state.level, log_m)

    def log_evidence(self, state: State) -> Distances:
        """Return the log of every variable's e-detector, the mean over its scores and bets: (variables,)."""
        return edetector.log_mean(state.log_m, axis=(1, 2))


def fit(measure: Measure, starts: Sequence[int], slide: int, identity: str) -> Panel:
    """Return the panel of *measure*, whose reference slices start at *starts* (ms) and are *slide* ms long.

    *identity* seeds the breaking of ties, so that a replay agrees.
    """
    whitener, residuals = whiten.fit(measure.reference, np.asarray(starts, np.int64), slide)
    doubts = tuple(_doubts(measure, whitener, residuals))
    return Panel(measure, identity, whitener, residuals, doubts)


def _doubts(measure: Measure, whitener: whiten.Whitener, residuals: Distances) -> list[str]:
    n = (~np.isnan(residuals[..., 0])).sum(axis=0)
    memory = whitener.phi.max(axis=-1, initial=0)
    remembers = whiten.remembers(residuals).any(axis=-1) if len(residuals) >= LEAST else n < 0
    flat = np.nanstd(residuals, axis=0).max(axis=-1, initial=0) < 1e-9 if len(residuals) else n == 0
    return [
        _doubt(int(n[v]), float(memory[v]), bool(remembers[v]), bool(flat[v]), float(measure.unrest[v]))
        for v in range(len(measure.names))
    ]


def _doubt(n: int, memory: float, remembers: bool, flat: bool, unrest: float) -> str:
    if n < LEAST:
        return f"the baseline has {n} slices of it; {LEAST} would do"
    if flat:
        return "it follows the calendar, which is taken away before slices are compared"
    if unrest > SHORT[0] and memory > SHORT[1]:
        return "slices are shorter than its memory; longer slices and a longer baseline would do"
    if remembers:
        return "its slices still remember the past after whitening; longer slices or a longer baseline might do"
    return ""
