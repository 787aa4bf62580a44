"""What kinds of broken pipeline there are, and how one of them is told: a frozen value with its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from monitors.stats.bins import CategoricalBins, Counts, NumericBins


class FaultKind(str, Enum):
    """What broke. Everything that differs without one of these is drift: a change of the world."""

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


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken thing: *metric* stands at *share*, beyond *line*, in *variables* (none: the feed as a whole).

    *evidence* holds the other numbers that speak for it, by name; *reason* says what was seen, in which part of the
    range, what it looks like and what to check.
    """

    kind: FaultKind
    variables: tuple[str, ...]
    metric: str
    share: float
    line: float
    reason: str
    evidence: Mapping[str, float] = field(default_factory=dict)


GONE = 20
"""A category is gone if none came where at least this many were to be expected: by chance once in 10^8 windows."""


def words(fault: Fault, bins: NumericBins | CategoricalBins, total: Counts, window: Counts) -> str:
    """Return the reason of a *fault* of one variable: what was seen, where, what it looks like and what to check.

    *total* and *window* are its cells in the baseline and now.
    """
    (name,), now, then = fault.variables, fault.share, f"{fault.evidence['baseline']:.1%} in the baseline"
    match fault.kind:
        case FaultKind.SCHEMA:
            saw = f"{name} is missing in all {int(window.sum()):,} rows ({then}): the column vanished, or was renamed"
            return f"{saw}; check the schema of what sends {name}"
        case FaultKind.MISSING_BURST:
            saw = f"{now:.1%} of {name} is missing, {then}: a source or a join that fails"
        case FaultKind.NON_FINITE:
            saw = f"{now:.1%} of {name} is NaN or infinite, {then}: a division by zero or a failed conversion"
        case FaultKind.STUCK:
            cell = int(window[: bins.body].argmax())
            where = f"all {int(window[cell]):,} values of {name} are in {bins.labels[cell]}, {then}"
            saw = f"{where}: stuck, a default, or scaled"
        case FaultKind.UNSEEN:
            saw = f"{now:.1%} of {name} are values never seen before, {then}{_gone(bins, total, window)}"
        case _:
            saw = f"{now:.1%} of {name} lies {beyond(bins, window)}: garbage or placeholders"
    return f"{saw}; check the source of {name}"


def beyond(bins: NumericBins | CategoricalBins, window: Counts) -> str:
    """Return on which side, and how far, a *window* left the range of a number.

    >>> beyond(NumericBins(edges=(10.0, 90.0)), np.array([5, 1, 2, 0, 0, 0, 92]))
    "beyond the baseline's 10 to 90 (1.0% below, 94.0% above, of that 92.0% further than the range is wide)"
    """
    assert isinstance(bins, NumericBins)
    k, n = bins.body, max(int(window[list(bins.ordered)].sum()), 1)
    below, above, far = window[k] + window[k + 4], window[k + 1] + window[k + 5], window[k + 4] + window[k + 5]
    sides = f"{below / n:.1%} below, {above / n:.1%} above, of that {far / n:.1%} further than the range is wide"
    return f"beyond the baseline's {bins.edges[0]:.6g} to {bins.edges[-1]:.6g} ({sides})"


def _gone(bins: NumericBins | CategoricalBins, total: Counts, window: Counts) -> str:
    """Return which frequent categories do not come any more: a new spelling takes the place of an old one."""
    assert isinstance(bins, CategoricalBins)
    k = bins.body - 1
    due = total[:k] * (window[: k + 2].sum() / max(total[: k + 2].sum(), 1)) >= GONE
    gone = [bins.categories[i] for i in np.flatnonzero(due & (window[:k] == 0))]
    if not gone:
        return ", and every frequent one is still there: a new category, or garbage"
    also = f" and {len(gone) - 2:,} more" if len(gone) > 2 else ""
    return f", and {', '.join(map(repr, gone[:2]))}{also} no longer come: another spelling or coding"
