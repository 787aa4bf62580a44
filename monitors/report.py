"""What a monitoring job says about one window: a frozen value with a digest, written down later by the registry."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from enum import Enum

from pydantic import BaseModel, ConfigDict, Field


class Verdict(str, Enum):
    """What can be said of a window."""

    STEADY = "steady"
    DRIFT = "drift"
    NOT_ENOUGH = "not_enough_evidence"

    __str__ = str.__str__  # in a message and on a page: the value


class Signal(str, Enum):
    """What was looked at.

    MULTIVARIATE is how features go together, ESTIMATE the performance to be expected before labels are there. QUALITY
    tells of a broken pipeline, which is not drift and blocks retraining.
    """

    FEATURE = "feature"
    PREDICTION = "prediction"
    LABEL = "label"
    PERFORMANCE = "performance"
    MULTIVARIATE = "multivariate"
    ESTIMATE = "estimate"
    QUALITY = "quality"

    __str__ = str.__str__


class Stage(str, Enum):
    """When a window can be judged: on its predictions at once, on its outcomes when the labels have had their time."""

    INPUTS = "inputs"
    OUTCOMES = "outcomes"

    __str__ = str.__str__


class Finding(BaseModel):
    """One signal of one variable in one window, with what a reader needs to believe it or not.

    *effect* is the value of *metric* in this window, *interval* its 95 % interval; *threshold* is the line it had to
    cross at these sample sizes. *metrics* holds every number computed. *n* and *baseline_n* are rows.

    Over time: *share* is the finding's part of the model's false-alarm budget, *evidence* what its e-detector gives
    after the newest slice to the sum that has to reach *needed*. *alone* is what the window by itself would say,
    *reason* why, and *over_time* what the slices so far add. *promised* says whether the verdict keeps the false-alarm
    promise; None where nothing was asked over time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    signal: Signal
    variable: str
    verdict: Verdict
    metric: str
    effect: float | None = None
    interval: tuple[float, float] | None = None
    threshold: float | None = None
    share: float | None = None
    evidence: float | None = None
    needed: float | None = None
    promised: bool | None = None
    alone: Verdict | None = None
    over_time: str = ""
    n: int
    baseline_n: int
    metrics: dict[str, float] = Field(default_factory=dict)
    reason: str = ""


class Report(BaseModel):
    """One window of one model version and segment (``""`` is all traffic), compared with that version's baseline.

    *counts* holds the window's cells by variable, on the baseline's bins, so that every figure can be computed again;
    *newest* those of its last slice. Windows overlap, slices do not: what is said over time rests on slices.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: str
    segment: str = ""
    stage: Stage
    window_start: datetime
    window_end: datetime
    baseline: str = Field(description="digest of the baseline that was compared with")
    rows: int
    counts: dict[str, list[int]]
    newest: dict[str, list[int]] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    policy: str = Field("", description="digest of the policy by which it was judged over time; empty if it was not")

    @property
    def verdict(self) -> Verdict:
        """Drift if any finding says so (quality faults included); not enough evidence if nothing could be judged."""
        seen = {f.verdict for f in self.findings}
        if Verdict.DRIFT in seen:
            return Verdict.DRIFT
        return Verdict.STEADY if Verdict.STEADY in seen else Verdict.NOT_ENOUGH

    @property
    def key(self) -> tuple[str, str, str, str, datetime, datetime]:
        """What makes a window the same window when it is reported again."""
        return (self.model, self.version, self.segment, self.stage.value, self.window_start, self.window_end)

    @property
    def digest(self) -> str:
        """sha256 of the report's canonical JSON: equal digests are equal reports, bit for bit."""
        return digest(self)

    @property
    def evidence_digest(self) -> str:
        """sha256 of all but the findings: equal ones were counted alike, whatever was made of it.

        Predictions that came too late are counted too: a window that differs in these alone is another revision. So a
        recount in batch, which has each of them in its own slice, also withdraws the fault that told of their loss.
        """
        return digest(self, exclude={"findings", "policy"})

    def drifted(self) -> tuple[Finding, ...]:
        """Return the findings that say drift."""
        return tuple(f for f in self.findings if f.verdict is Verdict.DRIFT)


def canonical(value: BaseModel, *, exclude: set[str] | None = None) -> str:
    """Return *value*, without *exclude*, as JSON with sorted keys and no spaces: the text that is hashed and sent."""
    said = value.model_dump(mode="json", exclude=exclude)
    return json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: BaseModel, *, exclude: set[str] | None = None) -> str:
    """Return the sha256 of :func:`canonical`, in hex."""
    return hashlib.sha256(canonical(value, exclude=exclude).encode()).hexdigest()
