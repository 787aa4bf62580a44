"""Distribution drift of one variable in one window: distances from the baseline, threshold, interval, and verdict.

A window drifts by itself if its distance is above what sampling and the baseline's own windows explain
(:mod:`monitors.stats.threshold`), and at least the policy's minimum effect. It is steady only where such an effect
could have been told from chance; otherwise there is not enough evidence, and the finding says which sample size would
suffice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Verdict
from monitors.quality import value_faults
from monitors.stats import distance, distance_interval, null_distribution, threshold
from monitors.stats.between_windows import MIN_SLICES, NOT_ESTIMATED
from monitors.stats.bins import CategoricalBins, Counts, NumericBins

METRIC = "js_distance_log2"
"""The distance that the verdict rests on; the others of :data:`.DISTANCES` are shown beside it."""
WINDOW_LEVEL = 0.01
"""Probability that a single window is above its threshold while nothing has changed: a description of the window, no
guarantee over time. Measured: 1.1 to 1.5 in 100 (:mod:`monitors.stats.threshold`)."""
MAX_DISTANCE = 1.0
"""The largest distance there is: a threshold as high as that can never be exceeded."""

DISJOINT = 0.999999
"""The highest threshold that a window without any value in common with the baseline exceeds, at six decimals."""
MAX_OWN_DISTANCE = 0.9
"""A window without any value in common with the baseline drifts, however much the baseline's windows differ, if none of
these was further from the rest of the baseline than this (Jensen-Shannon, log 2)."""
NOTHING_IN_COMMON = "1.000 is the largest distance there is: the window has no value in common with the baseline"


@dataclass(frozen=True, eq=False)
class VariableCounts:
    """One variable of one window, with what it is compared with.

    Parameters
    ----------
    bins
        The frozen bins of the variable.
    reference
        The baseline's counts, pooled and in windows.
    cells
        The window's counts, (cells,), those of data quality included.
    """

    bins: NumericBins | CategoricalBins
    reference: threshold.ReferenceWindows
    cells: Counts

    @cached_property
    def compared(self) -> Counts:
        """The counts of the cells that distances compare, (compared cells,)."""
        return self.cells[threshold.compared(self.bins)]

    @cached_property
    def n(self) -> int:
        """Number of values that are compared."""
        return int(self.compared.sum())


def finding(
    signal: Signal, variable: str, sample: VariableCounts, policy: MonitorPolicy, *, withheld: str = "", note: str = ""
) -> Finding:
    """Return the finding on the distribution of one variable in one window.

    Parameters
    ----------
    signal, variable
        What the variable is of, and its name.
    sample
        Its counts in the window and in the baseline.
    policy
        Its *min_effect* is used.
    withheld
        Why the variable must not be judged: then the finding has metrics, but neither effect nor threshold.
    note
        Added to the reason of a verdict.
    """
    bins, reference, n = sample.bins, sample.reference, sample.n
    metrics = threshold.figures({**_distances(sample), **value_faults.shares(bins, sample.cells)})
    judgement: dict[str, Any] = {"window_verdict": Verdict.NOT_ENOUGH, "reason": withheld}
    if not withheld:
        threshold_at_n, min_effect = reference.threshold(n), policy.min_effect
        metrics |= threshold.figures(
            {f"{METRIC}_by_chance": threshold_at_n.sampling, f"{METRIC}_own_windows": reference.historical_max}
        )
        highest = DISJOINT if reference.historical_max < MAX_OWN_DISTANCE else MAX_DISTANCE
        line = min(round(max(threshold_at_n.value, min_effect), 6), highest)
        verdict = _window_verdict(metrics[METRIC], line, threshold_at_n, min_effect)
        too_small = _too_small_reason(reference, n, min_effect, line) if verdict is Verdict.NOT_ENOUGH else ""
        reason = too_small or _comparison_reason(metrics[METRIC], line, threshold_at_n, min_effect)
        reason = NOTHING_IN_COMMON if verdict is Verdict.DRIFT and line == DISJOINT else reason
        low, high = distance_interval.between(reference, sample.compared)
        note = f"{note}{NOT_ESTIMATED if len(reference.slices) < MIN_SLICES else ''}"
        judgement = {"window_verdict": verdict, "effect": metrics[METRIC], "interval": (round(low, 6), round(high, 6)),
                "threshold": line, "reason": reason + note}  # fmt: skip
    return Finding(signal=signal, variable=variable, metric=METRIC, n=n, baseline_n=reference.rows, metrics=metrics,
                   **judgement)  # fmt: skip


def sampling_thresholds(sample: VariableCounts, level: float = WINDOW_LEVEL) -> dict[str, float]:
    """Return the threshold of every distance by sampling alone, at these sample sizes and bins.

    While nothing has changed, each is exceeded with the probability *level* (:mod:`monitors.stats.null_distribution`).
    Empty where a side has no rows.
    """
    if not sample.n or not sample.reference.rows:
        return {}
    shares = null_distribution.smoothed_shares(sample.reference.total)
    n, m = sample.n, sample.reference.rows
    nulls = {
        name: null_distribution.at_sizes(measure, shares, n=n, m=m, level=level)
        for name, measure in _metrics(sample.bins).items()
    }
    return threshold.figures({name: null.quantile for name, null in nulls.items()})


def _window_verdict(effect: float, line: float, at_size: threshold.Threshold, min_effect: float) -> Verdict:
    if effect > line:
        return Verdict.DRIFT
    # An effect that matters could be taken for noise; with a minimum effect of 0, all that is not significant is
    # steady.
    hidden = at_size.sampling > min_effect > 0
    return Verdict.NOT_ENOUGH if hidden or line >= DISJOINT else Verdict.STEADY


def _comparison_reason(effect: float, line: float, at_size: threshold.Threshold, min_effect: float) -> str:
    what = "what chance and differences among the baseline's windows explain"
    if at_size.value == at_size.historical:
        what = "the largest distance of the baseline's own windows"
    if at_size.value <= min_effect:
        what = "the minimum effect"
    return f"{effect:.3f} {'exceeds' if effect > line else 'does not exceed'} {line:.3f}, {what}"


def _too_small_reason(reference: threshold.ReferenceWindows, n: int, min_effect: float, line: float) -> str:
    if line >= DISJOINT:
        return "the baseline's own windows differ as much as windows can; a longer baseline may help"
    rows, base = reference.rows_needed(n, min_effect)
    also = "" if base <= reference.rows else f", and {base:,} in the baseline"
    return f"with {n:,} values an effect of {min_effect:g} cannot be told from chance; {rows:,} are needed{also}"


def _distances(sample: VariableCounts) -> dict[str, float]:
    p, q = sample.reference.total, sample.compared
    return {name: float(metric(p, q)) for name, metric in _metrics(sample.bins).items()}


def _metrics(bins: NumericBins | CategoricalBins) -> dict[str, distance.Distance]:
    """Return the distances that are computed on this kind of bins, by the name they have in a finding."""
    return {spec.name: spec.on(bins) for spec in distance.DISTANCES if bins.kind in spec.kinds}
