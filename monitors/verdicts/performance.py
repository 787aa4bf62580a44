"""Performance of one window: a one-sided test whether the mean loss is higher than the baseline's.

It rests on exact sums of losses and on how much the baseline's own windows differ. As in
:mod:`monitors.stats.threshold`, the level is about the chosen one where slices are exchangeable; where the baseline has
a handful of windows or a trend, the threshold is a judgement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from features.schema import Task
from features.scoring import Floats
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Verdict
from monitors.profiles import outcome_counts
from monitors.stats import threshold
from monitors.stats.between_windows import BetweenWindows, between_windows, stretches
from monitors.stats.bins import Counts
from monitors.stats.effect_interval import rise_interval

MIN_TOTAL_LOSS = 0.5
"""Sum of losses that a baseline without any is taken to have over all its rows, so that a relative rise is finite: half
an error, as in the Jeffreys estimate of a rate."""


@dataclass(frozen=True, eq=False)
class LossReference:
    """The loss of the baseline, and by how much its own windows differ.

    Parameters
    ----------
    rows
        Number of labelled predictions.
    mean, variance
        Mean and variance of the loss of one row.
    excess
        Variance between window means beyond what the rows' variance explains.
    rises
        Relative rise of every window-length run over the rest of the baseline, (runs,).
    units
        ``1/n + 1/m`` of every run, for n rows in it and m in the rest, (runs,).
    metrics
        The baseline's performance metrics by name.
    between
        How much its windows differ beyond what the rows' variance explains, for intervals: as *excess*, with what is
        known of memory and of the estimate's own error.
    """

    rows: int
    mean: float
    variance: float
    excess: float = 0.0
    rises: Floats = field(default_factory=lambda: np.zeros(0))
    units: Floats = field(default_factory=lambda: np.zeros(0))
    metrics: Mapping[str, float] = field(default_factory=dict)
    between: BetweenWindows = field(default_factory=BetweenWindows)

    def interval(self, rise: float, n: int, row_variance: float, more: float = 0.0) -> tuple[float, float]:
        """Return the 95 % interval of the relative rise of the long-run mean loss, to six decimals.

        Rows of the window vary in proportion to their mean as the baseline's do, or by as much as they do themselves if
        that is more: a window of a few rare events has hardly any variance of its own.

        Parameters
        ----------
        rise
            The window's measured rise.
        n, row_variance
            Its rows, and the variance of the loss of one of them.
        more
            Variance of the mean of another source, in units of the squared loss.
        """
        square = self.mean**2
        here = max((1 + rise) * self.mean, MIN_TOTAL_LOSS / n)
        own = max(self.variance / square, row_variance / here**2)
        window = (own / n + (self.between.at(n) + more) / square) * self.between.stretch
        low, high = rise_interval(here / self.mean - 1, window, self.variance / square / self.rows)
        return round(min(low, rise), 6), round(high, 6)

    def line(self, n: int, level: float) -> float:
        """Return the threshold of the relative rise of the mean loss in a window of *n* rows, at *level*.

        The larger of two: what sampling and variation between windows exceed with that probability, and the largest
        rise of one of the baseline's own runs that sampling at the run's size does not explain.
        """
        unexplained = self.rises[self.rises > self._chance(self.variance * self.units, level)]
        variance = self.variance * (1 / n + 1 / self.rows) + self.excess
        return float(max(self._chance(variance, level), unexplained.max(initial=0.0)))

    def _chance(self, variance: Any, level: float) -> Any:
        """Return the relative rise that a mean of this variance exceeds by chance with probability *level*.

        A mean of losses is positive and skewed to the right, so its null distribution is a gamma of the same mean and
        variance: exact for squared normal errors, close to normal for many rows. Measured at 1 in 200: exceeded 0.5 to
        1.6 times as often by log losses, 0-1 losses and squared normal errors in 50 to 5,000 rows, 3 to 4 times by
        squared errors with the tails of t(5).
        """
        shape = self.mean**2 / variance
        return special.gammainccinv(shape, level) / shape - 1


def reference(task: Task, slices: Mapping[str, Counts], length: int, *, sd: float = 1.0) -> LossReference:
    """Return the reference of performance from the outcomes of a baseline.

    With fewer slices than two windows have, the variance between windows is estimated from single slices as if they
    were independent.

    Parameters
    ----------
    task
        What the model predicts.
    slices
        Outcome counts by name, (slices, cells) each.
    length
        Slices that a window has.
    sd
        The label's standard deviation, by which losses of regression are scaled.

    References
    ----------
    DerSimonian and Laird (1986), "Meta-analysis in clinical trials", Controlled Clinical Trials 7(3) (excess variance).
    """
    total = {name: counts.sum(axis=0) for name, counts in slices.items()}
    rows = int(total["coverage"][0]) if len(slices["coverage"]) else 0
    if rows == 0:
        return LossReference(0, math.nan, math.nan)
    mean = max(int(total["loss"][0]) * outcome_counts.LOSS_UNIT / rows, MIN_TOTAL_LOSS / rows)
    variance = max(int(total["loss"][1]) * outcome_counts.LOSS_UNIT / rows - mean**2, MIN_TOTAL_LOSS / rows)
    sums = np.column_stack([slices["coverage"][:, 0], slices["loss"][:, 0]])
    runs, metrics = threshold.runs(sums, length), outcome_counts.metrics(task, total, sd=sd)
    parts = stretches(sums[:, 0], sums[:, 1:] * outcome_counts.LOSS_UNIT, length)
    between = between_windows(parts, np.ones(1), variance)
    if len(runs) == 0:
        excess, _, _ = _between_runs(sums, variance, sums.sum(axis=0))
        return LossReference(rows, mean, variance, excess / length, metrics=metrics, between=between)
    apart = _between_runs(runs, variance, sums.sum(axis=0))
    return LossReference(rows, mean, variance, *apart, metrics=metrics, between=between)


def _between_runs(blocks: Counts, variance: float, total: Counts) -> tuple[float, Floats, Floats]:
    """Return how runs differ from the rest: excess variance, relative rises (runs,), and ``1/n + 1/m`` (runs,).

    *blocks* are (runs, 2), rows and sum of losses in units; *total* is their (2,) over the whole baseline.
    """
    own = blocks[(blocks[:, 0] > 0) & (blocks[:, 0] < total[0])]
    rest = total - own
    here, there = (part[:, 1] * outcome_counts.LOSS_UNIT / part[:, 0] for part in (own, rest))
    units = 1 / own[:, 0] + 1 / rest[:, 0]
    excess = float(((here - there) ** 2 - variance * units).mean()) if len(own) else 0.0
    return max(0.0, excess), here / np.maximum(there, MIN_TOTAL_LOSS / rest[:, 0]) - 1, units


def finding(
    task: Task,
    reference: LossReference,
    counts: Mapping[str, Sequence[int]],
    policy: MonitorPolicy,
    *,
    level: float,
    sd: float = 1.0,
) -> Finding:
    """Return the performance finding of one window: is the mean loss higher than the baseline's?

    The threshold is :meth:`LossReference.line`, or the policy's minimum rise if that is larger. Steady means that no
    such rise was seen, not that there is none: the reason says how large a rise would have counted.

    Parameters
    ----------
    task
        What the model predicts.
    reference
        The baseline's loss.
    counts
        The window's outcome counts by name.
    policy
        Its *min_rows* and *min_loss_increase* are used.
    level
        Probability of exceeding the threshold while nothing has changed.
    sd
        The label's standard deviation, by which losses of regression are scaled.
    """
    n, rows = int(counts["coverage"][0]), int(sum(counts["coverage"]))
    metrics = {
        **outcome_counts.metrics(task, counts, sd=sd),
        **{f"baseline_{k}": v for k, v in reference.metrics.items()},
    }
    few = _too_few(reference.rows, n, rows, policy.min_rows)
    base = Finding(
        signal=Signal.PERFORMANCE,
        variable="loss",
        window_verdict=Verdict.NOT_ENOUGH,
        metric="loss_increase",
        n=n,
        baseline_n=reference.rows,
        metrics=threshold.figures(metrics),
        reason=few,
    )
    if few:
        return base
    line = round(max(reference.line(n, level), policy.min_loss_increase), 6)
    effect = round(int(counts["loss"][0]) * outcome_counts.LOSS_UNIT / n / reference.mean - 1, 6)
    verdict = Verdict.DRIFT if effect > line else Verdict.STEADY
    squares = int(counts["loss"][1]) * outcome_counts.LOSS_UNIT / n
    row_variance = max(squares - ((1 + effect) * reference.mean) ** 2, 0.0)
    reason = f"the loss changed by {effect:+.1%}; the threshold for {n:,} labelled rows is {line:+.1%}"
    reason += reference.between.note
    return base.model_copy(
        update={
            "window_verdict": verdict,
            "effect": effect,
            "interval": reference.interval(effect, n, row_variance),
            "threshold": line,
            "reason": reason,
        }
    )


def _too_few(baseline: int, n: int, rows: int, least: int) -> str:
    if baseline < least:
        return f"the baseline has {baseline:,} labelled predictions; {least:,} are needed"
    return f"only {n:,} of {rows:,} predictions have labels; {least:,} are needed" if n < least else ""
