"""Training baseline: the reference distribution of one model version, as counts by slice on frozen bins.

Every verdict on a model version is a comparison with its baseline, which never changes. One that is too short for the
false-alarm guarantee gets a new revision with more slices on the same bins (:mod:`monitors.baseline.renewal`); windows
that were compared with a revision stay so.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

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


class Renewal(BaseModel):
    """What makes a baseline a later revision: which one it renews, with which slices, and for which windows it counts.

    Parameters
    ----------
    revision
        Its number; the first baseline of a version is revision 1.
    renews
        The sha256 of the revision before.
    before
        Where the period of the revision before ended, in event time.
    since
        Where the slices begin that were added, in event time; they reach to the baseline's end.
    valid_from
        By stage, the event time after whose end windows are compared with this revision: what had been judged by then
        stays as it was judged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    revision: int = Field(ge=2)
    renews: str
    before: datetime
    since: datetime
    valid_from: dict[Stage, datetime]


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
    renewal
        What makes it a later revision; None for the first one.
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
    renewal: Renewal | None = None

    @model_serializer(mode="wrap")
    def _without_absent_renewal(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the content; without a renewal as it was before there were any, so that digests stay the same."""
        content: dict[str, Any] = handler(self)
        if content.get("renewal", ...) is None:
            del content["renewal"]
        return content

    @property
    def revision(self) -> int:
        """Its number among the baselines of its version, from 1."""
        return self.renewal.revision if self.renewal else 1

    @property
    def periods(self) -> tuple[tuple[datetime, datetime], ...]:
        """The stretches of event time that its slices lie in, oldest first: after a renewal there is a gap between."""
        if self.renewal is None:
            return ((self.start, self.end),)
        return (self.start, self.renewal.before), (self.renewal.since, self.end)

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
        return list(self._by_segment(stage).get(segment, ()))

    @property
    def segments(self) -> frozenset[str]:
        """The segments that it has input slices of, "" for all traffic among them."""
        return frozenset(self._by_segment(Stage.INPUTS))

    def _by_segment(self, stage: Stage) -> dict[str, list[Slice]]:
        """Return the slices of a stage by segment, oldest first.

        Made once: with a thousand segments, looking through all slices takes longer than a verdict.
        """
        made = made_of(self)
        if stage not in made:
            made[stage] = {}
            for one in sorted(self.inputs if stage is Stage.INPUTS else self.outcomes, key=lambda s: s.start):
                made[stage].setdefault(one.segment, []).append(one)
        index: dict[str, list[Slice]] = made[stage]
        return index

    def counts(self, stage: Stage, variable: str, segment: str = "") -> Counts:
        """Return the counts of a variable, (slices, cells), oldest first; (0, 0) where the segment was never seen."""
        rows = [s.counts[variable] for s in self.slices(stage, segment) if variable in s.counts]
        return np.array(rows, dtype=np.int64) if rows else np.zeros((0, 0), np.int64)


_MADE: dict[int, dict[Any, Any]] = {}


def made_of(baseline: Baseline) -> dict[Any, Any]:
    """Return where to keep what was made of a baseline, for as long as the baseline lives.

    It is of this very object, as hashing all its counts would cost more than it saves; a copy has its own.
    """
    made = _MADE.get(id(baseline))
    if made is None:
        made = _MADE[id(baseline)] = {}
        weakref.finalize(baseline, _MADE.pop, id(baseline), None).atexit = False
    return made


def in_force(revisions: Mapping[str, Baseline], stage: Stage, window_end: datetime) -> str:
    """Return the sha256 of the revision that a window is compared with: the newest that is valid for it.

    Parameters
    ----------
    revisions
        All baselines of a version by their sha256, oldest first; at least one.
    stage, window_end
        The window's stage, and its end in event time.
    """
    first, *later = revisions
    starts = {digest: renewal.valid_from for digest in later if (renewal := revisions[digest].renewal)}
    valid = [digest for digest, begins in starts.items() if stage in begins and begins[stage] < window_end]
    return valid[-1] if valid else first
