"""Window reports: one window of one model version and segment, compared with its baseline, as a value with a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from monitors.finding import DriftEvidence, Finding, Stage, Verdict

_NO_EVIDENCE = {"findings", "policy"}
"""The fields that are made of what was counted."""


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
    newest_slice: dict[str, list[int]] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    policy: str = Field("", description="digest of the policy by which it was judged over time; empty if it was not")

    @model_validator(mode="before")
    @classmethod
    def _first_form(cls, data: Any) -> Any:
        """Read a report as it was written before schema 0006."""
        if isinstance(data, dict) and "newest" in data:
            return {("newest_slice" if key == "newest" else key): value for key, value in data.items()}
        return data

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

    @cached_property
    def digest(self) -> str:
        """sha256 of the report's canonical JSON: equal digests are equal reports, bit for bit."""
        return digest(self)

    @cached_property
    def evidence_digest(self) -> str:
        """sha256 of all but the findings: equal ones were counted alike, whatever was made of it.

        Predictions that came too late are counted too: a window that differs in these alone is another revision. So a
        recount in batch, which has each of them in its own slice, also withdraws the fault that told of their loss.
        """
        return digest(self, exclude=_NO_EVIDENCE)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, with the fields in *update*; of its digests it has those that are still its own."""
        copied = super().model_copy(update=update, deep=deep)
        if update:
            copied.__dict__.pop("digest", None)
            if not update.keys() <= _NO_EVIDENCE:
                copied.__dict__.pop("evidence_digest", None)
        return copied

    def drifted(self) -> tuple[Finding, ...]:
        """Return the findings that say drift."""
        return tuple(f for f in self.findings if f.verdict is Verdict.DRIFT)

    def without_notes(self) -> Report:
        """Return the report without the sentences of its sequential verdicts: other releases word them otherwise."""
        return self.model_copy(update={"findings": tuple(finding.without_note() for finding in self.findings)})

    def evidence(self, digest: str) -> tuple[DriftEvidence, ...]:
        """Return the findings that say drift with their window; *digest* is the report's, as it was stored."""
        return tuple(
            DriftEvidence(finding=finding, segment=self.segment, stage=self.stage, window_start=self.window_start,
                          window_end=self.window_end, report=digest)
            for finding in self.drifted()
        )  # fmt: skip


def canonical(value: BaseModel, *, exclude: set[str] | None = None) -> str:
    """Return *value*, without *exclude*, as JSON with sorted keys and no spaces: the text that is hashed and sent."""
    said = value.model_dump(mode="json", exclude=exclude)
    return json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: BaseModel, *, exclude: set[str] | None = None) -> str:
    """Return the sha256 of :func:`canonical`, in hex."""
    return hashlib.sha256(canonical(value, exclude=exclude).encode()).hexdigest()
