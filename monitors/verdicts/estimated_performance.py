"""Estimated performance of one window (CBPE, direct loss estimation): its expected loss, before labels arrive.

What the baseline fitted (:mod:`monitors.profiles.score_calibration`, :mod:`monitors.profiles.loss_estimator`) turns
counts of inputs into expected outcomes, and these are judged as outcomes are (:mod:`monitors.verdicts.performance`). An
estimate follows the inputs only: concept drift, where labels come to depend on inputs in another way, is not in it.

References
----------
NannyML's documentation of confidence-based performance estimation (CBPE) and direct loss estimation (DLE); how this
departs from them: docs/decisions/0005.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from features.schema import ESTIMATED_LOSS, SCORE_GRID, Task
from features.scoring import Floats
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.profiles import outcome_counts, score_calibration
from monitors.profiles.loss_estimator import DirectLossEstimator
from monitors.profiles.score_calibration import ScoreCalibration
from monitors.stats import threshold
from monitors.stats.bins import Bins, Counts, NumericBins
from monitors.verdicts import loss_scores, performance

METRIC = "estimated_loss_increase"
"""Relative rise of the estimated mean loss over the baseline's estimated mean loss."""
Expected = dict[str, npt.NDArray[Any]]
"""Expected outcome counts by name, as :mod:`monitors.profiles.outcome_counts` has them."""


@dataclass(frozen=True, eq=False)
class EstimateReference:
    """The performance that is expected of the baseline's own inputs.

    Parameters
    ----------
    estimate
        What turns counts of inputs into expected outcomes.
    loss
        The expected loss, and by how much that of the baseline's windows differs.
    shares
        The baseline's shares of cells, (cells,), of each variable that the estimate rests on.
    task, sd
        What the model predicts, and the label's standard deviation, by which losses of regression are scaled.
    bins
        The frozen bins of the variables that a table of losses rests on.
    """

    estimate: ScoreCalibration | DirectLossEstimator
    loss: performance.LossReference
    shares: Mapping[str, Floats]
    task: Task
    sd: float
    bins: Mapping[str, Bins] = field(default_factory=dict)


def outcomes(
    estimate: ScoreCalibration | DirectLossEstimator, counts: Mapping[str, Sequence[int] | Counts]
) -> Expected:
    """Return expected outcome counts.

    Parameters
    ----------
    estimate
        What the baseline fitted.
    counts
        Counts of inputs, (..., cells) by variable; those without the variable have no rows.

    Returns
    -------
    dict
        ``coverage`` is [rows with an estimate, rows without], ``loss`` the sum of losses and of their squares in
        millionths; ``scores`` (binary) the score grid with each row part 0, part 1.

    Examples
    --------
    >>> table = DirectLossEstimator(base=500_000, most=1_000_000, effects={}, errors={})
    >>> {name: v.tolist() for name, v in outcomes(table, {"estimated_loss": [2, 1_000_000, 500_000]}).items()}
    {'coverage': [2, 0], 'loss': [1000000, 500000]}
    """
    name, size = (
        (SCORE_GRID, score_calibration.CELLS) if isinstance(estimate, ScoreCalibration) else (ESTIMATED_LOSS, 3)
    )
    return estimate.expected(np.asarray(counts.get(name, [0] * size), np.int64))


def moments(estimate: ScoreCalibration | DirectLossEstimator, newest: Mapping[str, Sequence[int]]) -> Floats:
    """Return the moments of the expected loss of a slice, (1, 3), as :func:`.loss_scores.outcome_moments` does."""
    expected = outcomes(estimate, newest)
    return loss_scores.outcome_moments({name: expected[name].tolist() for name in ("coverage", "loss")})


def reference(baseline: Baseline, segment: str, length: int, *, sd: float) -> EstimateReference | None:
    """Return the reference of a segment for windows of *length* slices; None where the baseline has no estimate."""
    estimate, task = baseline.derived.estimate, baseline.events.task
    if estimate is None:
        return None
    rows = [row.counts for row in baseline.slices(Stage.INPUTS, segment)]
    expected = [outcomes(estimate, row) for row in rows or [{}]]  # a segment that was never seen has no rows
    slices = {name: np.array([e[name] for e in expected]) for name in expected[0]}
    shares = {name: _shares([row.get(name, [0] * size) for row in rows or [{}]]) for name, size in _inputs_of(estimate)}
    loss = performance.reference(task, slices, length, sd=sd)
    return EstimateReference(
        estimate, loss, shares, task, sd, {n: baseline.bins[n] for n in shares if n in baseline.bins}
    )


def _inputs_of(estimate: ScoreCalibration | DirectLossEstimator) -> Iterator[tuple[str, int]]:
    """Yield the variables that an estimate rests on, with their numbers of cells."""
    if isinstance(estimate, ScoreCalibration):
        yield SCORE_GRID, score_calibration.CELLS
    else:
        yield from ((name, len(effects)) for name, effects in estimate.effects.items())


def finding(reference: EstimateReference, counts: Mapping[str, Sequence[int]], policy: MonitorPolicy, *, level: float,
            withheld: str = "") -> Finding:  # fmt: skip
    """Return the finding on the estimated performance of one window: is its expected loss above the baseline's?

    One-sided, on the relative rise of the estimated loss. The threshold is raised by what the fit leaves open where the
    window has many rows in cells of which the baseline had few, and is the policy's minimum rise at least.

    Parameters
    ----------
    reference
        The performance that is expected of the baseline.
    counts
        The window's counts of inputs, a row of cells by variable.
    policy
        Its *min_rows* and *min_loss_increase* are used.
    level
        Probability of exceeding the threshold while nothing has changed.
    withheld
        Why the window must not be judged: then the finding has metrics, but neither effect nor threshold.
    """
    expected = outcomes(reference.estimate, counts)
    n = int(expected["coverage"][0])
    changes = _share_changes(reference, counts)
    extrapolation_variance = reference.estimate.variance(changes)
    now = outcome_counts.metrics(reference.task, expected, sd=reference.sd)
    metrics = {
        f"{when}{k}": v for when, of in (("", now), ("baseline_", reference.loss.metrics)) for k, v in _named(of)
    }
    metrics["estimate_error"] = float(np.sqrt(extrapolation_variance) / reference.loss.mean)
    base = Finding(signal=Signal.ESTIMATE, variable="loss", window_verdict=Verdict.NOT_ENOUGH, metric=METRIC, n=n,
                   baseline_n=reference.loss.rows, metrics=threshold.figures(metrics), reason=withheld)  # fmt: skip
    few = withheld or _too_few(reference, n, policy.min_rows)
    if few:
        return base.model_copy(update={"reason": few})
    widened = replace(reference.loss, excess=reference.loss.excess + extrapolation_variance)
    line = round(max(widened.line(n, level), policy.min_loss_increase), 6)
    effect = round(int(expected["loss"][0]) * outcome_counts.LOSS_UNIT / n / reference.loss.mean - 1, 6)
    verdict = Verdict.DRIFT if effect > line else Verdict.STEADY
    squares = int(expected["loss"][1]) * outcome_counts.LOSS_UNIT / n
    row_variance = max(squares - ((1 + effect) * reference.loss.mean) ** 2, 0.0)
    beyond = _beyond_variance(reference, changes)
    interval = reference.loss.interval(effect, n, row_variance, extrapolation_variance + beyond)
    reason = (
        f"the estimated loss changed by {effect:+.1%}; the threshold for {n:,} predictions is {line:+.1%}; "
        f"{_assumption(reference.estimate)}{reference.loss.between.note}"
    )
    return base.model_copy(update={"window_verdict": verdict, "effect": effect, "interval": interval, "threshold": line,
                                   "reason": reason})  # fmt: skip


def _named(metrics: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    return ((f"estimated_{name}", value) for name, value in metrics.items() if name != "coverage")


def _assumption(estimate: ScoreCalibration | DirectLossEstimator) -> str:
    relation = "scores" if isinstance(estimate, ScoreCalibration) else "inputs"
    return f"this assumes that labels depend on {relation} as in the baseline: concept drift shows when labels arrive"


def _too_few(reference: EstimateReference, n: int, least: int) -> str:
    if isinstance(reference.estimate, DirectLossEstimator) and not reference.estimate.effects:
        return "no input predicts the baseline's losses, so performance cannot be estimated"
    if reference.loss.rows < least:
        return f"the baseline has {reference.loss.rows:,} predictions; {least:,} are needed"
    return f"the window has {n:,} predictions; {least:,} are needed" if n < least else ""


def _share_changes(reference: EstimateReference, counts: Mapping[str, Sequence[int]]) -> dict[str, Floats]:
    """Return the change of every cell's share, (cells,) by variable; 0 where a side has no rows."""
    now = {name: _shares([counts.get(name, [0] * len(then))]) for name, then in reference.shares.items()}
    return {name: (now[name] - then) * bool(now[name].any() and then.any()) for name, then in reference.shares.items()}


def _beyond_variance(reference: EstimateReference, changes: Mapping[str, Floats]) -> float:
    """Return the variance of the mean loss for rows that came to a table's outermost cells, or lie beyond them.

    The baseline does not show how losses go on there: rows may differ from those that it had in an outermost bin as
    much as these do from those in the next (two standard errors). Without this, .02 to .9 of the intervals held the
    true rise where an input that losses grow with moved by one sd or half of one.
    """
    estimate, out = reference.estimate, 0.0
    if isinstance(estimate, DirectLossEstimator):
        for name, effects in estimate.effects.items():
            bins = reference.bins.get(name)
            if isinstance(bins, NumericBins) and bins.body > 1:
                cells, last = bins.ordered, bins.body - 1
                for side, step in (
                    (cells[:3], effects[0] - effects[1]),
                    (cells[-3:], effects[last] - effects[last - 1]),
                ):
                    came = max(0.0, float(changes[name][list(side)].sum()))
                    out += (came * step / 2 * outcome_counts.LOSS_UNIT) ** 2
    return out


def _shares(slices: Sequence[Sequence[int]]) -> Floats:
    total = np.sum(slices, axis=0)
    return np.asarray(total / max(total.sum(), 1), np.float64)
