"""Looks at a comparison of two versions, a row each: the table of a trial (before a promotion) or a watch (after)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from registry.records import CheckResult, Comparison


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a comparison of a candidate with a reference version.

    Parameters
    ----------
    number
        Number of the look in its series, from 1.
    candidate, reference
        The versions. In a watch the candidate is the new champion.
    until
        The end of the newest slice, in event time.
    slices, rows
        How many slices and labelled rows are new since the look before.
    mean, low, high
        Mean difference of losses on these rows, candidate minus reference (negative: the candidate is better), with
        95 % bounds; None where there are no bounds.
    better, worse
        Evidence of all looks so far that the candidate is better, and that it is worse.
    required
        The evidence that decides, the inverse of the error rate; None where that is not on record.
    result, reason
        PASS: better; FAIL: worse; HOLD: undecided; and the same as a sentence.
    """

    number: int
    candidate: str
    reference: str
    until: datetime
    slices: int
    rows: int
    mean: float
    low: float | None
    high: float | None
    better: float
    worse: float
    required: float | None
    result: CheckResult
    reason: str

    @property
    def outcome(self) -> str:
        """The result in a word: better, worse, or undecided."""
        return OUTCOMES[self.result]


OUTCOMES = {CheckResult.PASS: "better", CheckResult.FAIL: "worse", CheckResult.HOLD: "undecided"}
"""The results of looks as users read them."""


def look(comparison: Comparison) -> Look:
    """Return a recorded comparison as a look."""
    numbers, rows = comparison.numbers, sum(piece.rows for piece in comparison.slices)
    alpha = numbers.get("alpha")
    return Look(
        number=comparison.look,
        candidate=comparison.candidate,
        reference=comparison.reference,
        until=comparison.until,
        slices=len(comparison.slices),
        rows=rows,
        mean=sum(piece.difference for piece in comparison.slices) / max(rows, 1),
        low=numbers.get("low"),
        high=numbers.get("high"),
        better=numbers.get("better", 0.0),
        worse=numbers.get("worse", 0.0),
        required=1 / alpha if alpha else None,
        result=comparison.result,
        reason=comparison.reason,
    )
