"""Faults of values: shares of missing, non-finite, unseen and far out-of-range values, and stuck variables.

A fault needs four things at once: a share beyond the policy's limit, more than chance makes of independent rows, more
than slices that vary as the baseline's did come to (:mod:`monitors.quality.between_slices`), and more than any run of
the baseline had. And it must be what no change of the world does, which depends on the kind of column
(:mod:`monitors.quality.column_traits`): unseen categories are a recoding only where the known ones vanish in return,
far values are placeholders only beside good ones with nothing between, and only a column of many values that varied all
the time gets stuck. Everything else is drift of the feature. A fault is reported as drift of
:attr:`monitors.finding.Signal.QUALITY`. Faults that need several variables, or a window's slices, are added by
:mod:`monitors.quality.router`.

Not distinguishable by counts: typing errors in a part of the rows look like a new product, and are taken for one.
Where values are not hashed (labels, baselines of before), one that is stuck in a bin so wide that a mere shift of the
baseline would fit into it (the last tenth of a skewed variable) is taken for such a shift.

References
----------
Berger and Boos (1994), "P values maximized over a confidence set for the nuisance parameter", JASA 89; Good (1953),
"The population frequencies of species and the estimation of population parameters", Biometrika 40.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from scipy import special

from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Verdict
from monitors.profiles import value_hashes
from monitors.quality import between_slices, fault_conditions
from monitors.quality.fault import FAULT_PREFIX, ONE_VALUE, Fault, FaultKind, describe
from monitors.quality.value_reference import ValueReference, present_rows, share_counts
from monitors.stats.bins import CategoricalBins, Counts, NumericBins

MAX_USUAL_SHARE = 0.5
"""A variable counts as stuck only in a cell with at most this share of the baseline: clear skies are no fault."""
MAX_DOMINANCE = 0.8
"""A variable counts as stuck only if no run of the baseline had a larger share in any one cell."""
LESS_THAN_ALL = 0.999
"""Largest line of a share that varies, where no run of the baseline had it in all rows: a column that goes missing is a
fault, however much of it was missing at times."""
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
        metrics=shares(reference.bins, window) | by_kind(faults_of_variable),
        reason="; ".join(f.reason for f in sorted(faults_of_variable, key=lambda f: f.line - f.share)),
    )


def by_kind(faults_of_variable: Sequence[Fault]) -> dict[str, float]:
    """Return the share of each fault by its kind, as metrics of a finding."""
    return {f"{FAULT_PREFIX}{fault.kind.value}": fault.share for fault in faults_of_variable}


def faults(
    variable: str,
    reference: ValueReference,
    window: Counts,
    policy: MonitorPolicy,
    level: float,
    sums: Counts | None = None,
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
    sums
        Sums of hashes of the window's values, (2,); None where they are not known.
    """
    if min(int(window.sum()), int(reference.total.sum())) < policy.min_rows:
        return
    for name, (x, n) in share_counts(reference.bins, window).items():
        baseline_count, baseline_rows = reference.reference_counts[name]
        if name == "out_of_range" or n == 0 or baseline_rows == 0:
            continue  # it is a metric of the finding, but no fault: a season does it too
        rise = policy.max_out_of_range if name == "far_out_of_range" else policy.max_missing_increase
        usual, share = baseline_count / baseline_rows, round(int(x) / int(n), 6)
        if share <= round(usual + rise, 6):
            continue  # whatever else the line is made of, it is no lower
        chance = largest_by_chance(baseline_count, baseline_rows, int(n), level / CHECKS_PER_VARIABLE) / int(n)
        past = reference.expected_max[name] if name == "missing" else reference.historical_max[name]
        varied = _largest_by_variation(name, reference, int(n), level / CHECKS_PER_VARIABLE)
        most = LESS_THAN_ALL if reference.historical_max[name] < 1 else 1.0
        line = round(max(usual + rise, chance, min(max(past, varied), most)), 6)
        if share > line and fault_conditions.holds(name, reference, window, level / CHECKS_PER_VARIABLE):
            yield _fault(variable, name, (share, line, usual), reference, window)
    yield from _stuck(variable, reference, window, level / CHECKS_PER_VARIABLE, sums)


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


def _largest_by_variation(name: str, reference: ValueReference, n: int, level: float) -> float:
    """Return the largest share to expect if slices go on to vary as they did; 0 if they vary as independent rows do."""
    correlation, (count, rows) = reference.correlations[name], reference.reference_counts[name]
    if not correlation:
        return 0.0
    varied = between_slices.largest_share(count / rows, correlation, n, level)
    return max(varied, between_slices.NEARLY_ALL) if reference.is_part else varied


def _stuck(
    variable: str, reference: ValueReference, window: Counts, level: float, sums: Counts | None
) -> Iterator[Fault]:
    """Yield a fault if all values of the window are one, which neither chance nor the baseline explains.

    Only a column of many values can get stuck, that varied in each slice of the baseline: a code, a flag, a daily value
    or a dry week's rain has one value for long while nothing is broken. Whether values are equal is known by their
    hashes; where those are not known (labels, baselines of before), only that they are in one cell.
    """
    cell, n = int(window[: reference.bins.body].argmax()), present_rows(reference.bins, window)
    if n == 0 or window[cell] < n:
        return
    baseline_count, baseline_rows = int(reference.total[cell]), present_rows(reference.bins, reference.total)
    if baseline_rows == 0 or baseline_count / baseline_rows > MAX_USUAL_SHARE:
        return
    if not fault_conditions.may_be_stuck(reference):
        return
    is_one = None if reference.sums is None or sums is None else value_hashes.is_one_value(sums, n)
    if is_one is not None and (not is_one or reference.had_one_value):
        return
    share = baseline_count / baseline_rows
    by_chance = float(special.betaincinv(baseline_count + 1, baseline_rows - baseline_count, 1 - level / 2))
    largest, expected = _usual_in_one_cell(reference, cell, hashed=is_one is not None)
    highest = max(by_chance, expected)
    if largest <= MAX_DOMINANCE and highest < 1 and n * math.log(highest) <= math.log(level / 2):
        evidence = {ONE_VALUE: 1.0} if is_one else {}
        yield _fault(variable, "stuck", (1.0, round(max(share, largest), 6), share), reference, window, evidence)


def _usual_in_one_cell(reference: ValueReference, cell: int, *, hashed: bool) -> tuple[float, float]:
    """Return the largest share that one cell had in a run of the baseline, and the largest to expect of *cell*.

    A bin may be so wide that a natural move brings nearly everything into it. Where values are *hashed* it is known
    that they are equal, which no move makes them; else the share to exceed is that of the most fitting move.
    """
    if not isinstance(reference.bins, NumericBins) or reference.bins.is_narrow(cell):
        return reference.dominance(cell)
    if hashed:
        return 0.0, 0.0
    largest, expected = reference.dominance(cell)
    return (1.0 if largest > MAX_USUAL_SHARE else largest), max(expected, reference.move_max.get(cell, 1.0))


def _fault(
    variable: str,
    name: str,
    figures: tuple[float, float, float],
    reference: ValueReference,
    window: Counts,
    evidence: Mapping[str, float] = MappingProxyType({}),
) -> Fault:
    """Return a fault with its reason, from its share, its line and the baseline's share."""
    share, line, then = figures
    kind = FaultKind.SCHEMA if name == "missing" and share == 1 else _KINDS[name]
    fault = Fault(kind, (variable,), f"{name}_share", share, line, "", {"baseline": round(then, 6), **evidence})
    return replace(fault, reason=describe(fault, reference.bins, reference.total, window))
