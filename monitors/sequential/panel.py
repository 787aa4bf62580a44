"""Panel of variables that share one budget: whitened scores, conformal e-detectors, and violated assumptions.

What follows from the reference is fitted once and frozen (:class:`Panel`). A :class:`PanelState` follows from that and
from the slices since, in order, and from nothing else, so that every verdict can be computed again. Slices of a steady
variable join its calibration scores, among which later ones are ranked; those of a drifting one do not.

Whether ranks keep their level is checked on the reference: the assumption is that residual slices are exchangeable, and
:func:`fit` reports its violations by variable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from monitors.sequential import edetector, evidence_loss, exchangeability, whitening
from monitors.sequential.slice_scores import ScoreFunction, SliceCounts
from monitors.stats.distance import Distances

Flags = npt.NDArray[np.bool_]
MAX_MEMORY_NONLINEAR = 0.35
"""AR(1) coefficient of the middle above which bets are made on linear scores only: squares of a series with memory come
in bursts, which broke the guarantee up to fifty times over (docs/statistics.md, section 2)."""
MAX_CALIBRATION_SLICES = 1000
"""Slices among which a new one is ranked, at most: the reference's always, then the newest. It bounds the state
(4.4 MiB for 1,000 features: docs/statistics.md, section 5)."""


@dataclass(frozen=True, eq=False)
class PanelState:
    """The state of a panel after some slices.

    Parameters
    ----------
    calibration_scores
        Scores of the reference's slices and of steady ones since, (slices, variables, scores); NaN does not count.
    level
        The seasonally adjusted series of the last slice, (variables, series).
    detectors
        Every e-detector, (variables, scores, bets).
    latest
        Scores of the newest slice, (variables, scores), which :meth:`Panel.update_calibration` adds to the others.
    """

    calibration_scores: Distances
    level: Distances
    detectors: Distances
    latest: Distances | None = None


@dataclass(frozen=True, eq=False)
class Panel:
    """A panel that was fitted to its reference, by :func:`fit`.

    Parameters
    ----------
    measure
        Turns slices into series and scores.
    identity
        The seed of random ties: the digest of what the panel reads.
    whitener
        Seasonal means and AR coefficients.
    residuals
        The reference's whitened series, (slices, variables, series), each slice in units of the others' rms.
    scale
        The rms of every series, (variables, series): the unit of later slices.
    violations
        For every variable why its slices are not exchangeable, so that there is no guarantee; "" where they are.
    retention
        The part of its evidence that each variable keeps from slice to slice, (variables,), 0 to 1: see
        :mod:`monitors.sequential.evidence_loss`.
    lines
        The evidence at which each variable raises an alarm by itself, (variables,); None where that is not known. What
        goes beyond it would be lost, and is paid out beforehand.
    """

    measure: ScoreFunction
    identity: str
    whitener: whitening.Whitener
    residuals: Distances
    scale: Distances
    violations: tuple[str, ...]
    retention: Distances
    lines: Distances | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""
        return self.measure.names

    @cached_property
    def guaranteed(self) -> Flags:
        """Which variables the false-alarm guarantee covers, (variables,)."""
        return np.array([not doubt for doubt in self.violations], bool)

    @cached_property
    def bets(self) -> Flags:
        """Which scores of each variable are bet on, (variables, scores): see :data:`MAX_MEMORY_NONLINEAR`."""
        memory = np.maximum(self.whitener.phi, self.whitener.decay)[:, :1]
        return np.asarray(self.measure.linear | (memory <= MAX_MEMORY_NONLINEAR))

    @cached_property
    def violation_by_name(self) -> dict[str, str]:
        """The violations by variable."""
        return dict(zip(self.names, self.violations, strict=True))

    @property
    def slices(self) -> int:
        """Number of reference slices."""
        return len(self.residuals)

    def initial_state(self) -> PanelState:
        """Return the state after the reference's slices, before any other."""
        calibration_scores = self.measure.directed(self.residuals)
        empty = np.zeros((*calibration_scores.shape[1:], edetector.BETS))
        return PanelState(calibration_scores, np.full(self.residuals.shape[1:], np.nan), empty)

    def observe(self, state: PanelState, start: int, newest: SliceCounts) -> PanelState:
        """Return the state after the slice at *start* (ms) with the counts *newest*.

        The slice is not among the calibration scores yet. The detectors of a variable without rows in it stay as they
        are; that is also how a variable with a data quality fault is left out.
        """
        ranked, p = self.ranked(state, start, newest)
        detectors = edetector.step(
            state.detectors,
            p,
            self.slices,
            len(state.calibration_scores),
            retention=self.retention[:, None],
            lines=None if self.lines is None else self.lines[:, None] * p.shape[1],
        )
        return replace(ranked, detectors=detectors)

    def ranked(self, state: PanelState, start: int, newest: SliceCounts) -> tuple[PanelState, Distances]:
        """Return the state with the slice seen but not bet on, and its p-values, (variables, scores).

        A p-value is NaN where the variable has no rows, and where nothing is bet on the score.
        """
        level = self.whitener.season.level(start, self.measure.scores(newest))
        scores = self.measure.directed(self.whitener.residual(level, state.level) / self.scale)
        p = edetector.p_values(scores, state.calibration_scores, self._ties(start, scores.shape))
        return replace(state, level=level, latest=scores), np.where(self.bets, p, np.nan)

    def _ties(self, start: int, shape: tuple[int, ...]) -> Distances:
        """Return the random numbers that break ties, (variables, scores): the same whatever the variables' order."""
        seed = hashlib.sha256(f"{self.identity}|{start}".encode()).digest()
        drawn = np.random.default_rng(int.from_bytes(seed[:8], "big")).random(shape)
        return np.asarray(drawn[self._name_order])

    @cached_property
    def _name_order(self) -> npt.NDArray[np.int64]:
        """The rank of every variable by name, (variables,)."""
        return np.argsort(np.argsort(self.names))

    def update_calibration(self, state: PanelState, *, drifting: Flags, reset: Flags) -> PanelState:
        """Return the state with the latest slice among the calibration scores, and some detectors started anew.

        Parameters
        ----------
        drifting
            Variables whose latest slice does not join the calibration scores, (variables,).
        reset
            Variables whose e-detectors start at 0 again, (variables,).
        """
        detectors = np.where(reset[:, None, None], 0.0, state.detectors)
        if state.latest is None:
            return replace(state, detectors=detectors)
        joining = np.where(drifting[:, None], np.nan, state.latest)[None]
        full = len(state.calibration_scores) >= max(self.slices, MAX_CALIBRATION_SLICES)
        later = (
            state.calibration_scores[self.slices + 1 :]
            if full and len(state.calibration_scores) > self.slices
            else state.calibration_scores[self.slices :]
        )
        return PanelState(
            np.concatenate([state.calibration_scores[: self.slices], later, joining]), state.level, detectors
        )

    def log_evidence(self, state: PanelState) -> Distances:
        """Return the log of every variable's e-detector, the mean over its scores, (variables,)."""
        return edetector.log_evidence(state.detectors)


def fit(
    measure: ScoreFunction,
    starts: Sequence[int],
    slide: int,
    identity: str,
    *,
    merged: bool = False,
) -> Panel:
    """Fit a panel to the reference of its scores.

    Parameters
    ----------
    measure
        Turns slices into series and scores, with the reference's own.
    starts
        Where each reference slice starts, (slices,), in milliseconds since the epoch, UTC.
    slide
        Milliseconds that a slice lasts.
    identity
        The seed of random ties, so that a replay agrees.
    merged
        Whether slices are merged ones, of which less memory is borne.
    """
    whitener, residuals = whitening.fit(measure.reference, np.asarray(starts, np.int64), slide, measure.shared)
    scale, others = _scales(residuals)
    residuals = residuals / others
    known = exchangeability.examine(measure, whitener, residuals, identity, merged=merged)
    retention = evidence_loss.retention(whitener, len(residuals), known)
    return Panel(measure, identity, whitener, residuals, scale, known.violations, retention)


def _scales(residuals: Distances) -> tuple[Distances, Distances]:
    """Return the rms of each series over slices, (variables, series), and for each slice that of all the others.

    A slice in units of a scale that it is part of would look smaller than a later one does.
    """
    squares = np.nan_to_num(residuals**2)
    n, total = (~np.isnan(residuals)).sum(axis=0), squares.sum(axis=0)
    scale, others = total / np.maximum(n, 1), (total - squares) / np.maximum(n - 1, 1)
    return np.sqrt(np.maximum(scale, exchangeability.MIN_VARIANCE)), np.sqrt(
        np.maximum(others, exchangeability.MIN_VARIANCE)
    )
