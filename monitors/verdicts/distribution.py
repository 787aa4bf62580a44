"""Distribution drift of one variable in one window: distances from the baseline, threshold, interval, and verdict.

A window drifts by itself if its distance is above what sampling and the baseline's own windows explain
(:mod:`monitors.stats.threshold`), and at least the policy's minimum effect. It is steady only where such an effect
could have been told from chance; otherwise there is not enough evidence, and the finding says which sample size would
suffice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Verdict
from monitors.stats import distance_interval, threshold
from monitors.stats.between_windows import MIN_SLICES, NOT_ESTIMATED
from monitors.stats.bins import CategoricalBins, Counts, NumericBins
from monitors.stats.distance import Distances
from monitors.stats.stacked_windows import Flags
from monitors.verdicts.stacked_variables import StackedSample, stacked_reference

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


class Monitored(NamedTuple):
    """A variable that is judged: its signal, and why it must not be judged ("" if it may be)."""

    signal: Signal
    withheld: str = ""


def finding(
    signal: Signal, variable: str, sample: VariableCounts, policy: MonitorPolicy, *, withheld: str = "", note: str = ""
) -> Finding:
    """Return the finding on the distribution of one variable in one window: see :func:`findings`."""
    reference = stacked_reference({variable: sample.bins}, {variable: sample.reference})
    window = StackedSample(reference, {variable: sample.cells})
    return findings(window, [Monitored(signal, withheld)], policy, note=note)[variable]


def findings(
    sample: StackedSample, monitored: Sequence[Monitored], policy: MonitorPolicy, *, note: str = ""
) -> dict[str, Finding]:
    """Return the findings on the distributions of the variables of one window, by name.

    Parameters
    ----------
    sample
        The window's counts, with what they are compared with.
    monitored
        The variables in the order of the reference. One that is withheld has metrics, but neither effect nor threshold.
    policy
        Its *min_effect* is used.
    note
        Added to the reason of a verdict.
    """
    figures = _Figures.of(sample, np.array([not one.withheld for one in monitored], bool))
    metrics = figures.metrics
    out = {}
    for row, (one, (name, n, base)) in enumerate(zip(monitored, sample.sizes, strict=True)):
        judgement: dict[str, Any] = {"window_verdict": Verdict.NOT_ENOUGH, "reason": one.withheld}
        if not one.withheld:
            judgement = _judgement(figures, row, (n, base), metrics[row], policy.min_effect)
            judgement["reason"] += note + (NOT_ESTIMATED if figures.slices[row] < MIN_SLICES else "")
        out[name] = Finding(signal=one.signal, variable=name, metric=METRIC, n=n, baseline_n=base,
                            metrics=metrics[row], **judgement)  # fmt: skip
    return out


@dataclass(frozen=True, eq=False)
class _Figures:
    """The figures of a window's variables, one of each; lines and intervals are of no meaning where it is withheld."""

    metrics: list[dict[str, float]]
    slices: Sequence[int]
    historical_max: Sequence[float] = ()
    thresholds: Sequence[threshold.Threshold] = ()
    intervals: Sequence[tuple[float, float]] = ()

    @classmethod
    def of(cls, sample: StackedSample, judged: Flags) -> _Figures:
        """Return the figures of a window, whose *judged* variables have rows on both sides."""
        windows = sample.reference.windows
        apart = sample.reference.distances.of(sample.compared)
        shares = sample.reference.shares.of(sample.flat)
        metrics = [row for of, share in zip(apart, shares, strict=True) for row in _by_row({**of, **share})]
        if not judged.any():
            return cls(metrics, windows.slices)
        with np.errstate(invalid="ignore"):
            chance = windows.chance(sample.rows, judged)
            lines = windows.thresholds(chance)
            distances = np.concatenate([of[METRIC] for of in apart])
            ends = distance_interval.between(windows, sample.compared, distances, chance)
        thresholds = [threshold.Threshold(*line) for line in zip(*(of.tolist() for of in lines), strict=True)]
        intervals = list(zip(*(end.tolist() for end in ends), strict=True))
        return cls(metrics, windows.slices, windows.historical_max.tolist(), thresholds, intervals)


def _by_row(metrics: Mapping[str, Distances]) -> list[dict[str, float]]:
    """Return the metrics of each variable as a finding records them, see :func:`.threshold.figures`."""
    rows = zip(*(of.tolist() for of in metrics.values()), strict=True)
    return [threshold.figures(dict(zip(metrics, row, strict=True))) for row in rows]


def _judgement(
    figures: _Figures, row: int, sizes: tuple[int, int], metrics: dict[str, float], min_effect: float
) -> dict[str, Any]:
    """Return the verdict on one variable with all that it rests on, and add its lines to its *metrics*."""
    at_size, own, effect = figures.thresholds[row], figures.historical_max[row], metrics[METRIC]
    metrics |= threshold.figures({f"{METRIC}_by_chance": at_size.sampling, f"{METRIC}_own_windows": own})
    line = min(round(max(at_size.value, min_effect), 6), DISJOINT if own < MAX_OWN_DISTANCE else MAX_DISTANCE)
    verdict = _window_verdict(effect, line, at_size, min_effect)
    too_small = _too_small_reason(sizes, at_size.sampling, min_effect, line) if verdict is Verdict.NOT_ENOUGH else ""
    reason = too_small or _comparison_reason(effect, line, at_size, min_effect)
    reason = NOTHING_IN_COMMON if verdict is Verdict.DRIFT and line == DISJOINT else reason
    low, high = figures.intervals[row]
    return {"window_verdict": verdict, "effect": effect, "interval": (round(low, 6), round(high, 6)),
            "threshold": line, "reason": reason}  # fmt: skip


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


def _too_small_reason(sizes: tuple[int, int], sampling: float, min_effect: float, line: float) -> str:
    if line >= DISJOINT:
        return "the baseline's own windows differ as much as windows can; a longer baseline may help"
    n, m = sizes
    rows, base = threshold.rows_needed(sampling, n, m, min_effect)
    also = "" if base <= m else f", and {base:,} in the baseline"
    return f"with {n:,} values an effect of {min_effect:g} cannot be told from chance; {rows:,} are needed{also}"
