"""Fault kinds of a data pipeline, and the fault as a value with its evidence and the sentence that reports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from monitors.finding import Finding
from monitors.stats.bins import CategoricalBins, Counts, NumericBins


class FaultKind(str, Enum):
    """What is broken in the pipeline. A difference without any of these is drift: a change of the world."""

    SCHEMA = "schema"
    MISSING_BURST = "missing_burst"
    NON_FINITE = "non_finite"
    UNSEEN = "unseen"
    STUCK = "stuck"
    UNIT_CHANGE = "unit_change"
    OUT_OF_RANGE = "out_of_range"
    COLUMN_SWAP = "column_swap"
    DUPLICATES = "duplicates"
    VOLUME = "volume"
    LATENESS = "lateness"
    UNUSABLE = "unusable"
    SILENCE = "silence"
    SKEW = "skew"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Parameters
    ----------
    kind
        What is broken.
    variables
        The variables that are affected; empty for the feed as a whole.
    metric
        Name of what was measured.
    share
        Its value, beyond `line`.
    line
        The threshold.
    reason
        What was observed, in which part of the range, the likely cause, and what to check.
    evidence
        Further numbers that support it, by name.
    """

    kind: FaultKind
    variables: tuple[str, ...]
    metric: str
    share: float
    line: float
    reason: str
    evidence: Mapping[str, float] = field(default_factory=dict)


FAULT_PREFIX = "fault_"
"""A quality finding has the share of each of its faults under this and the fault's kind, beside its other metrics."""


def kinds(finding: Finding) -> frozenset[str]:
    """Return the kinds of fault that a quality finding reports; its metric where it was stored without them."""
    named = {name.removeprefix(FAULT_PREFIX) for name in finding.metrics if name.startswith(FAULT_PREFIX)}
    return frozenset(named or {finding.metric})


ONE_VALUE = "one_value"
"""Evidence of a stuck variable: 1 where its values are known to be equal, not only to be in one cell."""
MIN_EXPECTED = 20
"""A category counts as gone if it is absent where at least this many were expected: by chance once in 10^8 windows (a
Poisson count of mean 20 is 0 with probability 2e-9)."""


def describe(fault: Fault, bins: NumericBins | CategoricalBins, total: Counts, window: Counts) -> str:
    """Return the reason of a fault of one variable: what was observed, where, the likely cause, and what to check.

    Parameters
    ----------
    fault
        The fault, without its reason.
    bins
        The variable's bins.
    total
        Its counts in the baseline, (cells,).
    window
        Its counts in the window, (cells,).
    """
    (name,), now, then = fault.variables, fault.share, f"{fault.evidence['baseline']:.1%} in the baseline"
    match fault.kind:
        case FaultKind.SCHEMA:
            saw = f"{name} is missing in all {int(window.sum()):,} rows ({then}): the column vanished, or was renamed"
            return f"{saw}; check the schema of what sends {name}"
        case FaultKind.MISSING_BURST:
            saw = f"{now:.1%} of {name} is missing, {then}: a source or a join fails"
        case FaultKind.NON_FINITE:
            saw = f"{now:.1%} of {name} is NaN or infinite, {then}: a division by zero or a failed conversion"
        case FaultKind.STUCK:
            cell = int(window[: bins.body].argmax())
            of, where = f"all {int(window[cell]):,} values of {name} are", f"in {bins.labels[cell]}, {then}"
            is_one = fault.evidence.get(ONE_VALUE)
            saw = f"{of} one value {where}: a stuck sensor, or a default value" if is_one else (
                f"{of} {where}: a stuck sensor, a default value, or another scale")  # fmt: skip
        case FaultKind.UNSEEN:
            saw = f"{now:.1%} of {name} are values never seen before, {then}{_gone(bins, total, window)}"
        case _:
            saw = f"{now:.1%} of {name} lies {describe_excess(bins, window)}: garbage or placeholder values"
    return f"{saw}; check the source of {name}"


def describe_excess(bins: NumericBins | CategoricalBins, window: Counts) -> str:
    """Return on which side, and how far, a window's values are outside the baseline's range.

    Parameters
    ----------
    bins
        The variable's bins.
    window
        Its counts in the window, (cells,).

    Examples
    --------
    >>> describe_excess(NumericBins(edges=(10.0, 90.0)), np.array([5, 1, 2, 0, 0, 0, 92]))
    "beyond the baseline's 10 to 90 (1.0% below, 94.0% above, of that 92.0% further than the range is wide)"
    """
    assert isinstance(bins, NumericBins)
    k, n = bins.body, max(int(window[list(bins.ordered)].sum()), 1)
    below, above, far = window[k] + window[k + 4], window[k + 1] + window[k + 5], window[k + 4] + window[k + 5]
    sides = f"{below / n:.1%} below, {above / n:.1%} above, of that {far / n:.1%} further than the range is wide"
    return f"beyond the baseline's {bins.edges[0]:.6g} to {bins.edges[-1]:.6g} ({sides})"


def _gone(bins: NumericBins | CategoricalBins, total: Counts, window: Counts) -> str:
    """Return which frequent categories are absent: a new spelling takes the place of an old one."""
    assert isinstance(bins, CategoricalBins)
    k = bins.body - 1
    due = total[:k] * (window[: k + 2].sum() / max(total[: k + 2].sum(), 1)) >= MIN_EXPECTED
    gone = [bins.categories[i] for i in np.flatnonzero(due & (window[:k] == 0))]
    if not gone:
        return ", and every frequent one is still there: a new category, or garbage"
    also = f" and {len(gone) - 2:,} more" if len(gone) > 2 else ""
    return f", and {', '.join(map(repr, gone[:2]))}{also} no longer come: another spelling or coding"
