"""Records of comparisons of two versions on the same rows, before a promotion and after it."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from pydantic import Field

from registry.records.record import Record
from registry.records.runs import CheckResult


class ComparisonKind(str, Enum):
    """When two versions are compared: in the trial of a held run, or in the watch after a promotion."""

    TRIAL = "trial"
    WATCH = "watch"


class ComparedSlice(Record):
    """A slice of time on which two versions were compared.

    Parameters
    ----------
    start
        Where the slice starts, in milliseconds since the epoch.
    rows
        Number of rows with a label and both answers.
    difference
        Sum over the rows of the candidate's loss minus the reference's.
    loss
        Sum of the reference's losses.
    """

    start: int
    rows: int
    difference: float
    loss: float


class Comparison(Record):
    """One look at a comparison: a candidate against a reference version, on all slices that had matured by then.

    Parameters
    ----------
    series
        What the slices have been collected for since the reference became champion: in a trial the cause and the kind
        of candidate. The candidates of one series follow one another, each predicting later slices than the one before.
    run_id, promotion_id
        The held run (trial) or the promotion (watch) that it belongs to; the other is None.
    candidate, reference
        The versions. In a watch the candidate is the new champion, and the reference the version before it.
    until
        The end of the newest slice, in event time.
    look
        Number of the look, from 1.
    result
        PASS: the candidate is better; FAIL: it is worse, or no better in the time it had; HOLD: undecided.
    reason
        Why, in a sentence.
    numbers
        ``mean`` (candidate minus reference), ``low``, ``high``, ``rows``, ``slices``, ``spent``, ``next_look``.
    """

    id: int
    model: str
    kind: ComparisonKind
    series: str
    run_id: int | None = None
    promotion_id: int | None = None
    candidate: str
    reference: str
    until: datetime
    look: int
    result: CheckResult
    reason: str
    slices: tuple[ComparedSlice, ...]
    numbers: dict[str, float] = Field(default_factory=dict)
    made_at: datetime
