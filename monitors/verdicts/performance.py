"""Has the loss risen: the performance verdict, from exact sums of losses and from what the baseline's own windows did.

Promised and not promised are as in :mod:`monitors.stats.threshold`: about the asked level where slices are
exchangeable, a judgement where the baseline has a handful of windows or a trend.
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
from monitors.profiles import outcome_counts
from monitors.report import Finding, Signal, Verdict
from monitors.stats import threshold
from monitors.stats.bins import Counts
from monitors.stats.effect_interval import rise_interval

_LEAST = 0.5
"""Loss that a baseline without any is taken to have, over all its rows."""


@dataclass(frozen=True, eq=False)
class LossReference:
    """The baseline's loss: *mean* and row *variance* over *rows* scored, and how much its own windows differ.

    *excess* is the variance between window means beyond what the rows' explains; *rises* are the relative rises of all
    window-length runs over the rest of the baseline, *units* their ``1/n + 1/m``.
    """

    rows: int
    mean: float
    variance: float
    excess: float = 0.0
    rises: Floats = field(default_factory=lambda: np.zeros(0))
    units: Floats = field(default_factory=lambda: np.zeros(0))
    metrics: Mapping[str, float] = field(default_factory=dict)

    def line(self, n: int, level: float) -> float:
        """Return the relative rise of the mean loss that a window of *n* rows has to exceed at *level*.

        The larger of what chance and the baseline's own unrest exceed with that probability, and the largest rise of
        one of its own runs that chance at the run's size does not explain.
        """
        own = self.rises[self.rises > self._chance(self.variance * self.units, level)]
        unrest = self.variance * (1 / n + 1 / self.rows) + self.excess
        return float(max(self._chance(unrest, level), own.max(initial=0.0)))

    def _chance(self, variance: Any, level: float) -> Any:
        """Return the relative rise that a mean of this *variance* exceeds with probability *level*.

        A mean of losses is positive and skewed to the right, so its null is a gamma of the same mean and variance:
        exact for squared normal errors, close to normal for many rows. Measured at 1 in 200: exceeded 0.5 to 1.6 times
        as often as asked by log losses, 0-1 losses and squared normal errors in 50 to 5,000 rows, 3 to 4 times by
        squared errors with the tails of t(5).
        """
        shape = self.mean**2 / variance
        return special.gammainccinv(shape, level) / shape - 1


def reference(task: Task, slices: Mapping[str, Counts], length: int, *, sd: float = 1.0) -> LossReference:
    """Return the reference from the baseline's outcome *slices*, (slices, cells) each, for windows of *length* slices.

    Below two windows' worth of slices, *excess* is estimated from single slices as if they were independent. A baseline
    without any loss is taken to have half a unit of it in all its rows, so that a rise stays a number.
    """
    total = {name: counts.sum(axis=0) for name, counts in slices.items()}
    rows = int(total["coverage"][0]) if len(slices["coverage"]) else 0
    if rows == 0:
        return LossReference(0, math.nan, math.nan)
    mean = max(int(total["loss"][0]) * outcome_counts.LOSS_UNIT / rows, _LEAST / rows)
    variance = max(int(total["loss"][1]) * outcome_counts.LOSS_UNIT / rows - mean**2, _LEAST / rows)
    sums = np.column_stack([slices["coverage"][:, 0], slices["loss"][:, 0]])
    runs, told = threshold.runs(sums, length), outcome_counts.metrics(task, total, sd=sd)
    if len(runs) == 0:
        excess, _, _ = _apart(sums, variance, sums.sum(axis=0))
        return LossReference(rows, mean, variance, excess / length, metrics=told)
    return LossReference(rows, mean, variance, *_apart(runs, variance, sums.sum(axis=0)), metrics=told)


def _apart(blocks: Counts, variance: float, total: Counts) -> tuple[float, Floats, Floats]:
    """Return how *blocks* (rows, loss) differ from the rest of *total*: excess variance, relative rises, 1/n + 1/m."""
    own = blocks[(blocks[:, 0] > 0) & (blocks[:, 0] < total[0])]
    rest = total - own
    here, there = (part[:, 1] * outcome_counts.LOSS_UNIT / part[:, 0] for part in (own, rest))
    units = 1 / own[:, 0] + 1 / rest[:, 0]
    excess = float(((here - there) ** 2 - variance * units).mean()) if len(own) else 0.0
    return max(0.0, excess), here / np.maximum(there, _LEAST / rest[:, 0]) - 1, units


def finding(
    task: Task,
    known: LossReference,
    counts: Mapping[str, Sequence[int]],
    policy: MonitorPolicy,
    *,
    level: float,
    sd: float = 1.0,
) -> Finding:
    """Return the performance finding of one window: is the mean loss higher than the baseline's?

    One-sided, on the relative rise of the loss, whose line is :meth:`LossReference.line` at *level*, or the policy's
    smallest rise worth telling if that is larger. Steady means that no such rise was seen, not that none is there: the
    reason says from where on a rise counts.
    """
    n, rows = int(counts["coverage"][0]), int(sum(counts["coverage"]))
    told = {**outcome_counts.metrics(task, counts, sd=sd), **{f"baseline_{k}": v for k, v in known.metrics.items()}}
    few = _too_few(known.rows, n, rows, policy.min_rows)
    base = Finding(
        signal=Signal.PERFORMANCE,
        variable="loss",
        window_verdict=Verdict.NOT_ENOUGH,
        metric="loss_increase",
        n=n,
        baseline_n=known.rows,
        metrics=threshold.figures(told),
        reason=few,
    )
    if few:
        return base
    line = round(max(known.line(n, level), policy.min_loss_increase), 6)
    effect = round(int(counts["loss"][0]) * outcome_counts.LOSS_UNIT / n / known.mean - 1, 6)
    verdict = Verdict.DRIFT if effect > line else Verdict.STEADY
    low, high = rise_interval(effect, known.variance * (1 / n + 1 / known.rows), known.mean)
    reason = f"the loss is {effect:+.1%} from the baseline's; a rise counts from {line:.1%} with {n:,} labelled rows"
    return base.model_copy(
        update={
            "window_verdict": verdict,
            "effect": effect,
            "interval": (round(low, 6), round(high, 6)),
            "threshold": line,
            "reason": reason,
        }
    )


def _too_few(baseline: int, n: int, rows: int, least: int) -> str:
    if baseline < least:
        return f"the baseline has {baseline:,} labelled predictions; {least:,} are needed"
    return f"only {n:,} of {rows:,} predictions have labels; {least:,} are needed" if n < least else ""
