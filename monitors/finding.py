"""Findings: what one window, and all slices so far, say of one signal of one variable.

The vocabulary of verdicts stands here too: every other module of the room makes findings, explains them or decides by
them.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Verdict(str, Enum):
    """What can be said of a window."""

    STEADY = "steady"
    DRIFT = "drift"
    NOT_ENOUGH = "not_enough_evidence"

    __str__ = str.__str__  # in a message and on a page: the value
    __hash__ = str.__hash__  # as a key in many mappings of each window; the enumeration's own is several times slower


class Signal(str, Enum):
    """What was looked at.

    MULTIVARIATE is how features go together, ESTIMATE the performance to be expected before labels are there. QUALITY
    tells of a broken pipeline, which is not drift, and whose rows are not trained on.
    """

    FEATURE = "feature"
    PREDICTION = "prediction"
    LABEL = "label"
    PERFORMANCE = "performance"
    MULTIVARIATE = "multivariate"
    ESTIMATE = "estimate"
    QUALITY = "quality"

    __str__ = str.__str__
    __hash__ = str.__hash__


class Stage(str, Enum):
    """When a window can be judged: on its predictions at once, on its outcomes when the labels have had their time."""

    INPUTS = "inputs"
    OUTCOMES = "outcomes"

    __str__ = str.__str__
    __hash__ = str.__hash__


class SequentialVerdict(BaseModel):
    """What all slices so far say of one variable: its evidence beside what the false-alarm budget asks.

    Parameters
    ----------
    verdict
        Drift from the slice at which the evidence reached what is required until the effect has been small for a whole
        window; this verdict stands, whatever the window by itself would say.
    guaranteed
        Whether the false-alarm guarantee covers it. It does not where the ranks behind it are not exchangeable, nor
        for alarms of the error stream.
    budget_share
        The variable's part of the model's false-alarm budget, between 0 and 1; None outside the budget.
    evidence, evidence_required
        The variable's weighted e-detector after the newest slice, and what the sum over its group has to reach.
    note
        What a reader is told about both, in one sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Verdict
    guaranteed: bool
    budget_share: float | None = None
    evidence: float | None = None
    evidence_required: float | None = None
    note: str = ""


_FIRST_FORM = {"promised": "guaranteed", "share": "budget_share", "evidence": "evidence", "needed": "evidence_required",
               "over_time": "note"}  # fmt: skip
"""The keys of a finding before schema 0006 that a sequential verdict has now, under which names."""


class Finding(BaseModel):
    """One signal of one variable in one window, with what a reader needs to believe it or not.

    Parameters
    ----------
    window_verdict
        What this window says by itself, with no guarantee over time; *reason* says why.
    metric, effect, interval, threshold
        The name of the distance or rise that was measured, its value in this window, its 95 % interval, and the line
        that it has to cross at these sample sizes.
    n, baseline_n
        Rows of the window and of the baseline that it rests on.
    metrics
        Every number that was computed, by name.
    sequential
        The verdict of all slices so far, once the registry has judged the report; None where nothing is asked over
        time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    signal: Signal
    variable: str
    window_verdict: Verdict
    metric: str
    effect: float | None = None
    interval: tuple[float, float] | None = None
    threshold: float | None = None
    n: int
    baseline_n: int
    metrics: dict[str, float] = Field(default_factory=dict)
    reason: str = ""
    sequential: SequentialVerdict | None = None

    @model_validator(mode="before")
    @classmethod
    def _first_form(cls, data: Any) -> Any:
        """Read a finding as it was written before schema 0006, when one verdict stood in place of the other."""
        if not isinstance(data, dict) or "verdict" not in data:
            return data
        read = {key: value for key, value in data.items() if key not in {"verdict", "alone", *_FIRST_FORM}}
        read["window_verdict"] = data.get("alone") or data["verdict"]
        if data.get("promised") is not None:
            values = {new: data[old] for old, new in _FIRST_FORM.items() if data.get(old) is not None}
            read["sequential"] = {"verdict": data["verdict"], **values}
        return read

    @property
    def verdict(self) -> Verdict:
        """The verdict that stands: the sequential one where there is one, else the window's own."""
        return self.sequential.verdict if self.sequential else self.window_verdict

    def without_note(self) -> Finding:
        """Return the finding without the sentence of its sequential verdict: two that are equal then say the same."""
        if self.sequential is None:
            return self
        return self.model_copy(update={"sequential": self.sequential.model_copy(update={"note": ""})})

    @property
    def guaranteed(self) -> bool | None:
        """Whether the false-alarm guarantee covers the verdict; None where the window by itself was judged."""
        return self.sequential.guaranteed if self.sequential else None

    @property
    def sequential_note(self) -> str:
        """What the slices so far add, in a sentence; empty where nothing is asked over time."""
        return self.sequential.note if self.sequential else ""


class DriftEvidence(BaseModel):
    """A drift finding and the window that it was made in, as an incident keeps it: *report* is its report's digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    finding: Finding
    segment: str
    stage: Stage
    window_start: datetime
    window_end: datetime
    report: str

    @model_validator(mode="before")
    @classmethod
    def _first_form(cls, data: Any) -> Any:
        """Read evidence as it was written before schema 0006: the finding's keys beside the window's."""
        if not isinstance(data, dict) or "finding" in data:
            return data
        own = {"segment", "stage", "window_start", "window_end", "report"}
        return {
            "finding": {k: v for k, v in data.items() if k not in own},
            **{k: v for k, v in data.items() if k in own},
        }
