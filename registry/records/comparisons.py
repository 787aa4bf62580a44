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
    """One look at a comparison of a candidate with a reference version: the slices that are new since the look before.

    Parameters
    ----------
    series
        What the looks have in common: in a trial the cause and the kind of candidate, whose candidates follow one
        another since the reference became champion.
    run_id, promotion_id
        The retrain run (trial) or the promotion (watch) that it belongs to; the other is None.
    candidate, reference
        The versions. In a watch the candidate is the new champion, and the reference the version before it.
    until
        The end of the newest slice, in event time.
    look
        Number of the look in its series, from 1.
    result
        PASS: the candidate is better; FAIL: it is worse; HOLD: undecided.
    reason
        What was found, in a sentence.
    slices
        The slices of this look.
    history
        Differences of an earlier pair of models by slice, from which the memory of slices was learned; may be empty.
    numbers
        ``mean`` (candidate minus reference), ``low`` and ``high`` of all slices of the series so far, the evidence
        ``better`` and ``worse``, and ``alpha``, whose reciprocal decides.
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
    history: tuple[float, ...] = ()
    numbers: dict[str, float] = Field(default_factory=dict)
    made_at: datetime
