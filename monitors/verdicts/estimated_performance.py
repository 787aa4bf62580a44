"""Will the loss have risen: performance estimated from a window's inputs, before any label is there.

What the baseline learned (:mod:`monitors.profiles.score_calibration`, :mod:`monitors.profiles.loss_estimator`) turns
counts of inputs into outcomes to expect, and these are judged as outcomes are (:mod:`monitors.verdicts.performance`).
An estimate follows the inputs only: where the label comes to depend on them in another way (concept drift), it keeps to
the old way and is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from features.schema import ESTIMATED_LOSS, SCORE_GRID, Task
from features.scoring import Floats
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.profiles import outcome_counts, score_calibration
from monitors.profiles.loss_estimator import DirectLossEstimator
from monitors.profiles.score_calibration import ScoreCalibration
from monitors.report import Finding, Signal, Stage, Verdict
from monitors.stats import threshold
from monitors.stats.bins import Counts
from monitors.stats.effect_interval import rise_interval
from monitors.verdicts import loss_scores, performance

METRIC = "estimated_loss_increase"
"""The relative rise of the estimated mean loss over the baseline's estimated mean loss."""
Expected = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class EstimateReference:
    """What the baseline's inputs make expect: *loss* as of outcomes, and its *shares* of what the estimate rests on.

    *task* and *sd* are what metrics need to know.
    """

    estimate: ScoreCalibration | DirectLossEstimator
    loss: performance.LossReference
    shares: Mapping[str, Floats]
    task: Task
    sd: float


def outcomes(
    estimate: ScoreCalibration | DirectLossEstimator, counts: Mapping[str, Sequence[int] | Counts]
) -> Expected:
    """Return the outcomes to expect of input *counts*, (..., cells) by variable, as outcome counts have them.

    ``coverage`` is [rows with an estimate, rows without], ``loss`` its sum and that of its squares in millionths;
    ``scores`` (binary) the score grid with each row part 0, part 1. Counts without the variable are no rows.

    >>> table = DirectLossEstimator(base=500_000, most=1_000_000, effects={}, errors={})
    >>> {name: v.tolist() for name, v in outcomes(table, {"estimated_loss": [2, 1_000_000, 500_000]}).items()}
    {'coverage': [2, 0], 'loss': [1000000, 500000]}
    """
    name, size = (
        (SCORE_GRID, score_calibration.CELLS) if isinstance(estimate, ScoreCalibration) else (ESTIMATED_LOSS, 3)
    )
    return estimate.expected(np.asarray(counts.get(name, [0] * size), np.int64))


def moments(estimate: ScoreCalibration | DirectLossEstimator, newest: Mapping[str, Sequence[int]]) -> Floats:
    """Return the moments of the loss to expect of a slice, as :func:`.loss_scores.outcome_moments` does."""
    expected = outcomes(estimate, newest)
    return loss_scores.outcome_moments({name: expected[name].tolist() for name in ("coverage", "loss")})


def reference(baseline: Baseline, segment: str, length: int, *, sd: float) -> EstimateReference | None:
    """Return the reference of *segment* for windows of *length* slices; None where the baseline learned no estimate."""
    estimate, task = baseline.derived.estimate, baseline.events.task
    if estimate is None:
        return None
    rows = [row.counts for row in baseline.slices(Stage.INPUTS, segment)]
    expected = [outcomes(estimate, row) for row in rows or [{}]]  # a segment that was never seen expects no rows
    slices = {name: np.array([e[name] for e in expected]) for name in expected[0]}
    shares = {name: _shares([row.get(name, [0] * size) for row in rows or [{}]]) for name, size in _rests_on(estimate)}
    return EstimateReference(estimate, performance.reference(task, slices, length, sd=sd), shares, task, sd)


def _rests_on(estimate: ScoreCalibration | DirectLossEstimator) -> Iterator[tuple[str, int]]:
    """Yield the variables that the estimate rests on, and their numbers of cells."""
    if isinstance(estimate, ScoreCalibration):
        yield SCORE_GRID, score_calibration.CELLS
    else:
        yield from ((name, len(effects)) for name, effects in estimate.effects.items())


def finding(known: EstimateReference, counts: Mapping[str, Sequence[int]], policy: MonitorPolicy, *, level: float,
            withheld: str = "") -> Finding:  # fmt: skip
    """Return the finding on one window's input *counts*: do they make a larger loss expected than the baseline's did?

    One-sided at *level*, on the relative rise of the estimated loss: beyond chance and the baseline's own unrest (as in
    :mod:`monitors.verdicts.performance`), beyond what the reference leaves open of rows like these, and beyond the
    policy's smallest rise worth telling. Where *withheld* says why it must not be judged, figures are told only.
    """
    expected = outcomes(known.estimate, counts)
    n = int(expected["coverage"][0])
    doubt = known.estimate.variance(_shift(known, counts))
    now = outcome_counts.metrics(known.task, expected, sd=known.sd)
    told = {f"{when}{k}": v for when, of in (("", now), ("baseline_", known.loss.metrics)) for k, v in _named(of)}
    told["estimate_error"] = float(np.sqrt(doubt) / known.loss.mean)
    base = Finding(signal=Signal.ESTIMATE, variable="loss", window_verdict=Verdict.NOT_ENOUGH, metric=METRIC, n=n,
                   baseline_n=known.loss.rows, metrics=threshold.figures(told), reason=withheld)  # fmt: skip
    few = withheld or _too_few(known, n, policy.min_rows)
    if few:
        return base.model_copy(update={"reason": few})
    unsure = replace(known.loss, excess=known.loss.excess + doubt)
    line = round(max(unsure.line(n, level), policy.min_loss_increase), 6)
    effect = round(int(expected["loss"][0]) * outcome_counts.LOSS_UNIT / n / known.loss.mean - 1, 6)
    verdict = Verdict.DRIFT if effect > line else Verdict.STEADY
    low, high = rise_interval(effect, known.loss.variance * (1 / n + 1 / known.loss.rows) + doubt, known.loss.mean)
    reason = (
        f"the loss is estimated to be {effect:+.1%} from the baseline's estimate; a rise counts from {line:.1%} with "
        f"{n:,} predictions; {_assumed(known.estimate)}"
    )
    interval = (round(low, 6), round(high, 6))
    return base.model_copy(update={"window_verdict": verdict, "effect": effect, "interval": interval, "threshold": line,
                                   "reason": reason})  # fmt: skip


def _named(metrics: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    return ((f"estimated_{name}", value) for name, value in metrics.items() if name != "coverage")


def _assumed(estimate: ScoreCalibration | DirectLossEstimator) -> str:
    calibrated = isinstance(estimate, ScoreCalibration)
    held = "a score still means the chance it did" if calibrated else "losses still follow inputs as they did"
    return f"assumed that {held}: concept drift is not seen before labels are there"


def _too_few(known: EstimateReference, n: int, least: int) -> str:
    if isinstance(known.estimate, DirectLossEstimator) and not known.estimate.effects:
        return "nothing known beforehand told the baseline's losses: there is nothing to estimate from"
    if known.loss.rows < least:
        return f"the baseline has {known.loss.rows:,} predictions; {least:,} are needed"
    return f"the window has {n:,} predictions; {least:,} are needed" if n < least else ""


def _shift(known: EstimateReference, counts: Mapping[str, Sequence[int]]) -> dict[str, Floats]:
    """Return by how much each cell's share has grown; not at all where one side has no rows."""
    now = {name: _shares([counts.get(name, [0] * len(then))]) for name, then in known.shares.items()}
    return {name: (now[name] - then) * bool(now[name].any() and then.any()) for name, then in known.shares.items()}


def _shares(slices: Sequence[Sequence[int]]) -> Floats:
    total = np.sum(slices, axis=0)
    return np.asarray(total / max(total.sum(), 1), np.float64)
