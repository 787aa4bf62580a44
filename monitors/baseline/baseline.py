"""Training baseline: the reference distribution of one model version, as counts by slice on frozen bins.

There is one for each model version, and it never changes: every verdict on the version is a comparison with it.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from features.schema import EventSchema
from monitors import report
from monitors.finding import Stage
from monitors.profiles.derived import Derived, FrozenProfile
from monitors.stats.bins import Bins, Counts


class Slice(BaseModel):
    """The counts of one slice of event time, in one segment.

    Parameters
    ----------
    start
        Where the slice starts, in milliseconds since the epoch.
    segment
        ``feature=value``, or "" for all traffic.
    counts
        A row of counts, (cells,), by variable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int
    segment: str = ""
    counts: dict[str, list[int]]


class Baseline(BaseModel):
    """The rows that one model version was trained or evaluated on, as integer counts on frozen bins.

    Parameters
    ----------
    events
        The schema that the events had.
    version
        The model version.
    start, end
        The period, [start, end), in event time.
    rows
        Number of predictions in the period.
    bins
        The frozen bins by variable.
    inputs
        Counts of features and predictions, by slice and segment.
    outcomes
        Counts of labels and performance, by slice and segment, from predictions that are out of sample.
    importance
        The share of each feature in the model's importance, 1 together; empty where it was not measured.
    derived
        What derives further variables from a row: reconstruction error and performance estimate.
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
        """sha256 of the canonical JSON, in hex."""
        return report.digest(self)

    @property
    def frozen(self) -> FrozenProfile:
        """Bins and derivations: what turns this version's rows into counts."""
        return FrozenProfile(self.bins, self.derived)

    def slices(self, stage: Stage, segment: str = "") -> list[Slice]:
        """Return the slices of one stage and segment, oldest first."""
        every = self.inputs if stage is Stage.INPUTS else self.outcomes
        return sorted((s for s in every if s.segment == segment), key=lambda s: s.start)

    def counts(self, stage: Stage, variable: str, segment: str = "") -> Counts:
        """Return the counts of a variable, (slices, cells), oldest first; (0, 0) where the segment was never seen."""
        rows = [s.counts[variable] for s in self.slices(stage, segment) if variable in s.counts]
        return np.array(rows, dtype=np.int64) if rows else np.zeros((0, 0), np.int64)
