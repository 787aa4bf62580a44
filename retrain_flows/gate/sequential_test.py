"""Group sequential test of two models' paired loss differences, with an alpha spending function and memory of slices.

Labels come late and little by little, so two models are compared again and again on the same growing set of rows. A
test at a fixed level that is repeated until it passes will pass sooner or later; this one spends its error rate over
the looks, so that its bounds hold at all of them together. It serves before a promotion (candidate minus champion) and
after it (new champion minus the old one in shadow).

The unit is a slice of time, and slices remember one another: a day on which the first model does badly is often
followed by another. The bounds reckon with that (:mod:`retrain_flows.gate.slice_memory`): with the least favourable
memory where nothing is known of it, or with what a longer history shows, which makes them much narrower.

References
----------
Lan and DeMets (1983), "Discrete sequential boundaries for clinical trials", Biometrika 70(3) (alpha spending).
Armitage, McPherson and Rowe (1969), "Repeated significance tests on accumulating data", JRSS A 132(2) (the recursion).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from features.scoring import Floats
from registry.records import CheckResult
from retrain_flows.gate import slice_memory, spending


class Reason(StrEnum):
    """Why a comparison has the result that it has."""

    BETTER = "better"
    """PASS: the upper bound is below the margin."""
    WORSE = "worse"
    """FAIL: the lower bound is above the margin."""
    NO_USEFUL_GAIN = "no useful gain"
    """FAIL: the lower bound excludes a gain of the least useful size."""
    OUT_OF_PATIENCE = "out of patience"
    """FAIL: undecided after the set number of slices."""
    UNDECIDED = "undecided"
    """HOLD: the bounds are on both sides of the margin."""
    TOO_FEW_SLICES = "too few slices"
    """HOLD: there are no bounds yet."""


@dataclass(frozen=True, slots=True)
class SequentialDifference:
    """Mean difference of two models' losses, first minus second, with bounds that hold at all looks together.

    Parameters
    ----------
    mean
        The mean over the rows of the slices that were used; NaN without rows.
    low, high
        Lower and upper bound, each one-sided at the error rate of the test; infinite with too few slices.
    result, reason
        PASS, FAIL or HOLD, and why.
    spent
        The part of the error rate that is spent, this look included; 0 before the first look.
    memory
        Lag-1 autocorrelation of slices that the bounds reckon with; NaN before the
        first look.
    rows, slices
        Number of rows and of slices that were used: those of the newest look that counts.
    next_look
        Number of slices at which the bounds will next be computed anew.
    """

    mean: float
    low: float
    high: float
    result: CheckResult
    reason: Reason
    spent: float
    memory: float
    rows: int
    slices: int
    next_look: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a comparison is decided by.

    Parameters
    ----------
    alpha
        Error rate of each one-sided decision over all looks: the chance to pass a first model that is not better by
        the margin, and the chance to fail one that is; above 0, below .5.
    margin
        PASS requires first minus second below it, in units of loss: 0 for "better", above 0 for "not worse by more".
    least_gain
        FAIL as soon as the bounds exclude that first minus second is below the margin by at least this; 0: only where
        the first is worse than the margin. In units of loss.
    patience
        Number of slices from which an undecided comparison fails; None: never.

    Raises
    ------
    ValueError
        An error rate outside (0, .5), a negative or non-finite gain, a patience of fewer slices than a look needs.
    """

    alpha: float
    margin: float = 0.0
    least_gain: float = 0.0
    patience: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:
            message = f"alpha must be above 0 and below .5, not {self.alpha}"
            raise ValueError(message)
        if not (np.isfinite(self.margin) and np.isfinite(self.least_gain) and self.least_gain >= 0):
            message = "margin and least_gain must be finite, least_gain not negative"
            raise ValueError(message)
        if self.patience is not None and self.patience < spending.MIN_SLICES:
            message = f"patience must be at least {spending.MIN_SLICES} slices, not {self.patience}"
            raise ValueError(message)


def sequential_test(
    sums: Floats, rows: Floats, rule: Rule, *, looks: Sequence[int] = (), history: Floats | None = None
) -> SequentialDifference:
    """Compare two models on the slices whose labels have matured so far.

    A pure function of its arguments: the same slices and looks give the same answer. The bounds are computed anew only
    when the number of slices has grown by two fifths since the last look that counted, since looks in between cost
    error rate and decide little; between them the answer is that of the last look that counted. Stop at PASS or FAIL: a
    later look may be undecided again.

    Parameters
    ----------
    sums
        Sum over the rows of a slice of the first model's loss minus the second's, (slices,), in order of time. Only
        slices whose labels have matured: an earlier slice must not change from look to look.
    rows
        Number of rows, (slices,). Slices without rows are left out, and not counted.
    rule
        Error rate, margin and when to give up.
    looks
        Numbers of slices (with rows) at which this comparison has been looked at before, in any order.
    history
        One value a slice, (slices of the past,), in order of time, with the same length of slice, from which the memory
        is learned beside the differences: best the differences of an earlier pair of models, else the champion's
        mean loss. It is assumed to remember at least as much as the differences do; level and scale may be other.

    Raises
    ------
    ValueError
        Arrays of other shapes or with non-finite values, negative numbers of rows, looks at more slices than there are.

    Examples
    --------
    >>> gains = np.array([-30.0, -28, -31, -29, -33, -30, -27, -31, -30, -29, -32, -30, -28, -31])
    >>> d = sequential_test(gains, np.full(14, 100.0), Rule(alpha=0.05))
    >>> d.result.value, d.reason.value, round(d.mean, 3), d.next_look
    ('pass', 'better', -0.299, 20)
    """
    sums, rows = _checked(sums, rows)
    counted = spending.counted_looks(looks, len(sums))
    if not counted:
        mean = float(sums.sum() / rows.sum()) if len(sums) else np.nan
        hold = CheckResult.HOLD, Reason.TOO_FEW_SLICES
        return SequentialDifference(
            mean, -np.inf, np.inf, *hold, 0.0, np.nan, _total(rows), len(sums), spending.MIN_SLICES
        )
    n = counted[-1]
    values = slice_memory.merged(slice_memory.linearised(sums[:n], rows[:n]))
    mean = float(sums[:n].sum() / rows[:n].sum())
    weights = slice_memory.memory_weights(_past(history))
    level = spending.levels(counted, rule.alpha)[-1]
    reach = float(slice_memory.standard_error(values)) * slice_memory.critical_ratio(level, len(values), weights)
    result, reason = _decide(mean - reach, mean + reach, len(sums), rule)
    spent, memory = spending.spent(n, rule.alpha, first=counted[0]), slice_memory.lag_one(weights)
    upcoming = spending.next_look(n)
    return SequentialDifference(
        mean, mean - reach, mean + reach, result, reason, spent, memory, _total(rows[:n]), n, upcoming
    )


def _checked(sums: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Return both as floats without the slices that have no rows, or raise."""
    sums, rows = np.asarray(sums, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    if sums.ndim != 1 or sums.shape != rows.shape:
        message = f"sums and rows must be of one shape (slices,), not {sums.shape} and {rows.shape}"
        raise ValueError(message)
    if not (np.isfinite(sums).all() and np.isfinite(rows).all() and (rows >= 0).all()):
        message = "sums and rows must be finite, rows not negative"
        raise ValueError(message)
    return sums[rows > 0], rows[rows > 0]


def _total(rows: Floats) -> int:
    return round(float(rows.sum()))


def _past(history: Floats | None) -> Floats | None:
    """Return the history as floats, or raise."""
    if history is None:
        return None
    past = np.asarray(history, dtype=np.float64)
    if past.ndim != 1 or not np.isfinite(past).all():
        message = f"history must be finite and of shape (slices of the past,), not {past.shape}"
        raise ValueError(message)
    return past


def _decide(low: float, high: float, slices: int, rule: Rule) -> tuple[CheckResult, Reason]:
    """Return the result of bounds, where a comparison has *slices* slices by now."""
    if high < rule.margin:
        return CheckResult.PASS, Reason.BETTER
    if low > rule.margin:
        return CheckResult.FAIL, Reason.WORSE
    if rule.least_gain > 0 and low > rule.margin - rule.least_gain:
        return CheckResult.FAIL, Reason.NO_USEFUL_GAIN
    if rule.patience is not None and slices >= rule.patience:
        return CheckResult.FAIL, Reason.OUT_OF_PATIENCE
    return CheckResult.HOLD, Reason.UNDECIDED
