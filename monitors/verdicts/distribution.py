"""Has a distribution moved: one variable's cells in a window beside those of the baseline, as a finding.

Drift needs an effect beyond what chance, and the baseline's own windows, reach (:mod:`monitors.stats.threshold`), and
one at least as large as the policy finds worth telling. Steady needs that such an effect could have been seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Verdict
from monitors.quality import value_faults
from monitors.stats import distance, effect_interval, null_distribution, threshold
from monitors.stats.bins import CategoricalBins, Counts, NumericBins

METRIC = "js_distance_log2"
"""What the verdict on a distribution rests on; the other distances are told beside it."""
WINDOW_LEVEL = 0.01
"""The chance at which a window by itself is called beyond its line: a description, no promise."""
MAX_DISTANCE = 1.0
"""No distance is larger: a line up there can never be crossed."""


@dataclass(frozen=True, eq=False)
class WindowCounts:
    """One variable of one window: its *cells* on *bins*, beside the baseline's *reference*."""

    bins: NumericBins | CategoricalBins
    reference: threshold.ReferenceWindows
    cells: Counts

    @property
    def compared(self) -> Counts:
        """The counts of the cells that distances compare."""
        return self.cells[threshold.compared(self.bins)]

    @property
    def n(self) -> int:
        """Number of values compared."""
        return int(self.compared.sum())


def finding(
    signal: Signal, variable: str, sample: WindowCounts, policy: MonitorPolicy, *, withheld: str = "", note: str = ""
) -> Finding:
    """Return the finding on one variable's distribution.

    Where *withheld* says why it must not be judged, its distances are told without *effect* and *threshold*. *note* is
    added to the reason of a judgement.
    """
    bins, reference, n = sample.bins, sample.reference, sample.n
    metrics = threshold.figures({**_distances(sample), **value_faults.shares(bins, sample.cells)})
    judgement: dict[str, Any] = {"window_verdict": Verdict.NOT_ENOUGH, "reason": withheld}
    if not withheld:
        line, least = reference.threshold(n), policy.min_effect
        metrics |= threshold.figures(
            {f"{METRIC}_by_chance": line.sampling, f"{METRIC}_own_windows": reference.historical_max}
        )
        over = min(round(max(line.value, least), 6), MAX_DISTANCE)
        verdict = _window_verdict(metrics[METRIC], over, line, least)
        needed = _too_small_reason(reference, n, least, over) if verdict is Verdict.NOT_ENOUGH else ""
        reason = needed or _comparison_reason(metrics[METRIC], over, line, least)
        low, high = effect_interval.distance_interval(metrics[METRIC], reference.chance(n))
        judgement = {"window_verdict": verdict, "effect": metrics[METRIC], "interval": (round(low, 6), round(high, 6)),
                "threshold": over, "reason": reason + note}  # fmt: skip
    return Finding(signal=signal, variable=variable, metric=METRIC, n=n, baseline_n=reference.rows, metrics=metrics,
                   **judgement)  # fmt: skip


def false_alarm_level(sample: WindowCounts, level: float = WINDOW_LEVEL) -> dict[str, float]:
    """Return what each distance of :func:`finding` reaches by chance alone at these sizes and bins, at *level*.

    Monte Carlo, see :mod:`monitors.stats.null_distribution`; a distance above its figure is rarer than *level* while
    nothing changed. Empty where a side has no rows.
    """
    if not sample.n or not sample.reference.rows:
        return {}
    shares = null_distribution.smoothed_shares(sample.reference.total)
    n, m = sample.n, sample.reference.rows
    nulls = {k: null_distribution.at_sizes(f, shares, n=n, m=m, level=level) for k, f in _metrics(sample.bins).items()}
    return threshold.figures({name: found.quantile for name, found in nulls.items()})


def _window_verdict(effect: float, over: float, line: threshold.Threshold, least: float) -> Verdict:
    if effect > over:
        return Verdict.DRIFT
    # An effect worth telling could hide in the noise; with no least effect, steady is all that is not significant.
    return Verdict.NOT_ENOUGH if line.sampling > least > 0 or over >= MAX_DISTANCE else Verdict.STEADY


def _comparison_reason(effect: float, over: float, line: threshold.Threshold, least: float) -> str:
    reached = (
        "the baseline's own windows reached"
        if line.value == line.historical
        else "chance and the baseline's own unrest reach"
    )
    what = "the smallest effect worth telling" if line.value <= least else f"what {reached}"
    return f"{effect:.3f} {'exceeds' if effect > over else 'does not exceed'} {over:.3f}, {what}"


def _too_small_reason(reference: threshold.ReferenceWindows, n: int, least: float, over: float) -> str:
    if over >= MAX_DISTANCE:
        return "the baseline's own windows differ so much that no distance would tell; a longer baseline might"
    rows, base = reference.rows_needed(n, least)
    also = "" if base <= reference.rows else f" and {base:,} in the baseline"
    return f"an effect of {least:g} could hide in the noise of {n:,} values; {rows:,}{also} would do"


def _distances(sample: WindowCounts) -> dict[str, float]:
    p, q = sample.reference.total, sample.compared
    return {name: float(metric(p, q)) for name, metric in _metrics(sample.bins).items()}


def _metrics(bins: NumericBins | CategoricalBins) -> dict[str, distance.Distance]:
    """Return the distances that are computed on this kind of bins, by the name they have in a finding."""
    return {spec.name: spec.on(bins) for spec in distance.DISTANCES if bins.kind in spec.kinds}
