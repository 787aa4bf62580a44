"""Estimated performance of windows whose inputs moved: does its interval hold the rise of the true loss?

Only inputs move; labels depend on them as before, which is what an estimate assumes. The true rise is that of the mean
loss of a million rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from benchmarks.interval_kinds import Floats, levels
from benchmarks.streams import Rng
from features import scoring
from features.schema import ESTIMATED_LOSS, SCORE_GRID, Task
from monitors.config import MonitorPolicy
from monitors.profiles import loss_estimator, score_calibration
from monitors.profiles.loss_estimator import DirectLossEstimator
from monitors.profiles.score_calibration import ScoreCalibration
from monitors.stats.bins import Counts, freeze_numeric
from monitors.verdicts import distribution, estimated_performance, performance

ROWS, MANY = 200, 1_000_000
SHIFTS = (0.0, 0.5, 1.0)
"""By how many sd the input moves."""
POLICY = MonitorPolicy()


def _binary(rng: Rng, x: Floats) -> tuple[Floats, Floats]:
    """Return score and label: the model is too sure of itself."""
    margin = 1 - 1.2 * x
    return 1 / (1 + np.exp(1.6 * margin)), (rng.random(x.shape) < 1 / (1 + np.exp(margin))).astype(np.float64)


def _errors(rng: Rng, x: Floats) -> Floats:
    """Return the squared errors of a regression that grow with x."""
    return np.asarray((0.5 * np.exp(x / 4) * rng.standard_normal(x.shape)) ** 2)


@lru_cache
def _true_rise(binary: bool, wobble: float, shift: float) -> float:
    rng = np.random.default_rng(1)
    means = []
    for by in (0.0, shift):
        x = np.sqrt(1 + wobble**2) * rng.standard_normal(MANY) + by
        means.append(scoring.losses(Task.BINARY, *_binary(rng, x)).mean() if binary else _errors(rng, x).mean())
    return float(means[1] / means[0] - 1)


def _calibrated(rng: Rng, x: Floats, slices: int) -> tuple[ScoreCalibration, Callable[[Floats], Counts]]:
    """Return a calibration fitted to the first *slices* of x, and what counts scores by slice."""
    score, label = _binary(rng, x[:slices].ravel())
    estimate = score_calibration.fit(score, np.arange(len(score)), label)
    assert estimate is not None  # both labels are there

    def count(rows: Floats) -> Counts:
        cells = score_calibration.cell_index(_binary(rng, rows)[0])
        return np.array([np.bincount(c, minlength=score_calibration.CELLS) for c in cells])

    return estimate, count


def _estimated(rng: Rng, x: Floats, slices: int) -> tuple[DirectLossEstimator, Callable[[Floats], Counts]]:
    """Return a table of losses fitted to the first *slices* of x, and what adds up its estimates by slice."""
    bins = freeze_numeric(x[:slices].ravel())

    def cells(rows: Floats) -> Counts:
        return bins.index(rows, np.zeros(rows.shape, bool))

    estimate = loss_estimator.fit({"x": cells(x[:slices].ravel())}, {"x": bins.cells}, _errors(rng, x[:slices].ravel()),
                                  900.0)  # fmt: skip
    return estimate, lambda rows: np.array([estimate.addends({"x": cells(r)}, len(r)).sum(axis=1) for r in rows])


def _world(binary: bool, wobble: float) -> Callable[[Rng, int, int], Sequence[tuple[bool, float]]]:
    task, name = (Task.BINARY, SCORE_GRID) if binary else (Task.REGRESSION, ESTIMATED_LOSS)

    def holds(rng: Rng, baseline: int, window: int) -> list[tuple[bool, float]]:
        x = levels(rng, baseline + window, wobble) + rng.standard_normal((baseline + window, ROWS))
        estimate, count = (_calibrated if binary else _estimated)(rng, x, baseline)
        slices = count(x[:baseline])
        expected = estimated_performance.outcomes(estimate, {name: slices})
        loss = performance.reference(task, expected, window)
        shares, bins = {name: slices.sum(axis=0) / slices.sum()}, freeze_numeric(x[:baseline].ravel())
        if isinstance(estimate, DirectLossEstimator):
            cells = np.bincount(bins.index(x[:baseline].ravel(), np.zeros(baseline * ROWS, bool)), minlength=bins.cells)
            shares = {"x": cells / cells.sum()}
        known = estimated_performance.EstimateReference(estimate, loss, shares, task, 1.0, {"x": bins})
        out = []
        for shift in SHIFTS:
            counts = {name: count(x[baseline:] + shift).sum(axis=0).tolist()}
            if isinstance(estimate, DirectLossEstimator):
                at = bins.index((x[baseline:] + shift).ravel(), np.zeros(window * ROWS, bool))
                counts["x"] = np.bincount(at, minlength=bins.cells).tolist()
            judged = estimated_performance.finding(known, counts, POLICY, level=distribution.WINDOW_LEVEL)
            if judged.interval is None:  # no input predicts the losses of this baseline
                continue
            low, high = judged.interval
            out.append((low <= _true_rise(binary, wobble, shift) <= high, high - low))
        return out or [(True, 0.0)] * len(SHIFTS)

    return holds


WORLDS: Mapping[str, Callable[[Rng, int, int], Sequence[tuple[bool, float]]]] = {
    "scores, rows independent": _world(True, 0.0),
    "scores wobble by .3 sd": _world(True, 0.3),
    "losses by table, rows independent": _world(False, 0.0),
    "losses by table wobble by .3 sd": _world(False, 0.3),
}
