"""The training baseline: bins, counts slice by slice, and where they came from. One a model version, never changed."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from features.schema import EventSchema
from monitors import report
from monitors.profiles.derived import Derived, FrozenProfile
from monitors.stats.bins import Bins, Counts


class Slice(BaseModel):
    """The counts of one slice of event time and one segment; *start* in milliseconds since the epoch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int
    segment: str = ""
    counts: dict[str, list[int]]


class Baseline(BaseModel):
    """What the world looked like to one model version while it was trained, as integer counts on frozen bins.

    *inputs* are the slices of features and prediction, *outcomes* those of label and performance, made from predictions
    out of sample. The schema is the one the events had; *rows* counts the predictions in [start, end).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: EventSchema
    version: str
    start: datetime
    end: datetime
    rows: int
    bins: dict[str, Bins]
    inputs: tuple[Slice, ...]
    outcomes: tuple[Slice, ...] = ()
    importance: dict[str, float] = Field(default_factory=dict)
    derived: Derived = Derived()

    @property
    def digest(self) -> str:
        """sha256 of the canonical JSON."""
        return report.digest(self)

    @property
    def frozen(self) -> FrozenProfile:
        """What turns this version's rows into counts."""
        return FrozenProfile(self.bins, self.derived)

    def slices(self, stage: report.Stage, segment: str = "") -> list[Slice]:
        """Return the slices of one stage and segment, oldest first."""
        every = self.inputs if stage is report.Stage.INPUTS else self.outcomes
        return sorted((s for s in every if s.segment == segment), key=lambda s: s.start)

    def counts(self, stage: report.Stage, variable: str, segment: str = "") -> Counts:
        """Return the counts of *variable* as an array (slices, cells); no rows where the segment was never seen."""
        rows = [s.counts[variable] for s in self.slices(stage, segment) if variable in s.counts]
        return np.array(rows, dtype=np.int64) if rows else np.zeros((0, 0), np.int64)
