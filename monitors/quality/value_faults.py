"""Faults of values: shares of missing, non-finite, unseen and far out-of-range values, and stuck variables.

A fault needs three things at once: a share beyond the policy's limit, more than chance, and more than any window-length
run of the baseline had. It is reported as drift of :attr:`monitors.finding.Signal.QUALITY`, which blocks retraining.
Faults that need several variables, or a window's slices, are added by :mod:`monitors.quality.router`.

Not distinguishable by counts: a value that is stuck in a bin so wide that a mere shift of the baseline would fit into
it (the last tenth of a skewed variable) is taken for such a shift. And a new category is reported as unseen values,
whether it is a new product or a typing error; the reason says whether the known ones are still there.

References
----------
Berger and Boos (1994), "P values maximized over a confidence set for the nuisance parameter", JASA 89; Good (1953),
"The population frequencies of species and the estimation of population parameters", Biometrika 40.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from scipy import special

from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Verdict
from monitors.quality.fault import Fault, FaultKind, describe
from monitors.quality.value_reference import ValueReference, present_cells, share_counts
from monitors.stats.bins import CategoricalBins, Counts, NumericBins

MAX_USUAL_SHARE = 0.5
"""A variable counts as stuck only in a cell with at most this share of the baseline: clear skies are no fault."""
CHECKS_PER_VARIABLE = 4
"""Checks of one variable that share its level: missing, non-finite or unseen, far out of range, stuck."""
_KINDS = {
    "missing": FaultKind.MISSING_BURST,
    "non_finite": FaultKind.NON_FINITE,
    "unseen": FaultKind.UNSEEN,
    "far_out_of_range": FaultKind.OUT_OF_RANGE,
    "stuck": FaultKind.STUCK,
}


def finding(variable: str, faults_of_variable: Sequence[Fault], reference: ValueReference, window: Counts) -> Finding:
    """Return the finding that reports the faults of one variable.

    Its metric is that of the fault furthest beyond its line; the reason lists them all.

    Parameters
    ----------
    variable
        Name of the variable.
    faults_of_variable
        Its faults, at least one.
    reference
        Its baseline.
    window
        The window's counts, (cells,).
    """
    worst = min(faults_of_variable, key=lambda f: f.line - f.share)
    return Finding(
        signal=Signal.QUALITY,
        variable=variable,
        window_verdict=Verdict.DRIFT,
        metric=worst.metric,
        effect=worst.share,
        threshold=worst.line,
        n=int(window.sum()),
        baseline_n=int(reference.total.sum()),
        metrics=shares(reference.bins, window),
        reason="; ".join(f.reason for f in sorted(faults_of_variable, key=lambda f: f.line - f.share)),
    )


def faults(
    variable: str, reference: ValueReference, window: Counts, policy: MonitorPolicy, level: float
) -> Iterator[Fault]:
    """Yield the faults of one variable; none where either side has fewer rows than the policy's minimum.

    Parameters
    ----------
    variable
        Name of the variable.
    reference
        Its baseline.
    window
        The window's counts, (cells,).
    policy
        The monitoring policy.
    level
        Probability of a false fault, shared by the variable's checks.
    """
    if min(int(window.sum()), int(reference.total.sum())) < policy.min_rows:
        return
    for name, (x, n) in share_counts(reference.bins, window).items():
        baseline_count, baseline_rows = reference.reference_counts[name]
        if name == "out_of_range" or n == 0 or baseline_rows == 0:
            continue  # it is a metric of the finding, but no fault: a season does it too
        rise = policy.max_out_of_range if name == "far_out_of_range" else policy.max_missing_increase
        if name == "unseen" and not _beyond_rare(reference, window, rise, level / CHECKS_PER_VARIABLE):
            continue
        expected = (
            min(max(baseline_count, reference.expected_unseen), baseline_rows) if name == "unseen" else baseline_count
        )
        chance = largest_by_chance(expected, baseline_rows, int(n), level / CHECKS_PER_VARIABLE) / int(n)
        line = round(max(baseline_count / baseline_rows + rise, chance, reference.historical_max[name]), 6)
        if (share := round(int(x) / int(n), 6)) > line:
            yield _fault(variable, name, (share, line, baseline_count / baseline_rows), reference, window)
    yield from _stuck(variable, reference, window, level / CHECKS_PER_VARIABLE)


def shares(bins: NumericBins | CategoricalBins, counts: Counts) -> dict[str, float]:
    """Return each quality share of one row of counts, by metric name; shares of nothing are left out.

    >>> import numpy as np
    >>> shares(CategoricalBins(categories=("a",)), np.array([6, 0, 2, 2]))
    {'missing_share': 0.2, 'unseen_share': 0.25}
    """
    return {f"{k}_share": round(float(x / n), 6) for k, (x, n) in share_counts(bins, counts).items() if n}


def largest_by_chance(baseline_count: int, baseline_rows: int, n: int, level: float) -> int:
    """Return the count that new rows exceed with probability level at most, if the true share has not changed.

    The binomial quantile at the upper Clopper-Pearson limit of the old share, each at half the level: exact whatever
    the true share is (Berger and Boos 1994), where the normal approximation fails at small levels.

    Parameters
    ----------
    baseline_count
        Occurrences in the baseline.
    baseline_rows
        Rows of the baseline.
    n
        New rows.
    level
        The probability.

    Examples
    --------
    >>> largest_by_chance(0, 5000, 30, 0.001), largest_by_chance(250, 5000, 1000, 0.001)
    (2, 87)
    """
    highest = (
        float(special.betaincinv(baseline_count + 1, baseline_rows - baseline_count, 1 - level / 2))
        if baseline_count < baseline_rows
        else 1.0
    )
    if highest >= 1 or special.bdtr(0, n, highest) >= 1 - level / 2:
        return n if highest >= 1 else 0
    # The inverse is continuous in the count; the nudge keeps a whole number from being rounded up.
    return math.ceil(float(special.bdtrik(1 - level / 2, n, highest)) - 1e-6)


def _beyond_rare(reference: ValueReference, window: Counts, rise: float, level: float) -> bool:
    """Return whether unseen values replaced frequent ones, rather than rare ones as in any open vocabulary.

    New users, products or tail numbers replace old ones: unseen and rare values together have about the share that rare
    ones had in the baseline, however fast they turn over. A fault affects frequent values too.
    """
    there = present_cells(reference.bins)
    baseline_count, baseline_rows = int(reference.total[reference.rare_cells].sum()), int(reference.total[there].sum())
    now, n = int(window[reference.rare_cells].sum()), int(window[there].sum())
    chance = largest_by_chance(baseline_count, baseline_rows, n, level) / n
    return now / n > max(baseline_count / baseline_rows + rise, chance, reference.historical_max["rare"])


def _stuck(variable: str, reference: ValueReference, window: Counts, level: float) -> Iterator[Fault]:
    """Yield a fault if all values of the window are in one cell, which neither chance nor the baseline explains.

    Only cells are visible. A bin may be so wide that a natural move brings nearly everything into it: there the share
    to exceed is that of the most fitting move, and nothing is reported where runs of the baseline came near (a day of
    wind from one side).
    """
    cell, n = int(window[: reference.bins.body].argmax()), int(window[present_cells(reference.bins)].sum())
    baseline_count, baseline_rows = (
        int(reference.total[cell]),
        int(reference.total[present_cells(reference.bins)].sum()),
    )
    if n == 0 or baseline_rows == 0 or window[cell] < n or baseline_count / baseline_rows > MAX_USUAL_SHARE:
        return
    highest = float(special.betaincinv(baseline_count + 1, baseline_rows - baseline_count, 1 - level / 2))
    if isinstance(reference.bins, NumericBins) and not reference.bins.is_narrow(cell):
        if reference.historical_max["stuck"] > MAX_USUAL_SHARE:
            return
        highest = max(highest, reference.move_max.get(cell, 1.0))
    line = round(max(baseline_count / baseline_rows, reference.historical_max["stuck"]), 6)
    if line < 1 and n * math.log(highest) <= math.log(level / 2):
        yield _fault(variable, "stuck", (1.0, line, baseline_count / baseline_rows), reference, window)


def _fault(
    variable: str, name: str, figures: tuple[float, float, float], reference: ValueReference, window: Counts
) -> Fault:
    """Return a fault with its reason, from its share, its line and the baseline's share."""
    share, line, then = figures
    kind = FaultKind.SCHEMA if name == "missing" and share == 1 else _KINDS[name]
    fault = Fault(kind, (variable,), f"{name}_share", share, line, "", {"baseline": round(then, 6)})
    return replace(fault, reason=describe(fault, reference.bins, reference.total, window))
