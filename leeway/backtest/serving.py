"""Serving in a backtest: each version answers the requests of its time as champion, and its slices are counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from features import scoring
from features.events.decode import TIME, VERSION
from features.schema import PREDICTION, EventSchema
from features.scoring import Values
from features.window import to_ms
from leeway.backtest import history as histories
from leeway.backtest.history import History
from monitors.baseline.baseline import Slice
from monitors.finding import Stage
from monitors.in_process import slices, windows
from monitors.job_spec import JobSpec
from monitors.profiles.derived import FrozenProfile
from monitors.report import Report

CHUNK_SLICES = 35
"""Slices that a champion answers at a time: a later promotion makes the rest worthless."""


def answered(schema: EventSchema, requests: pa.Table, version: str, answers: Values) -> pa.Table:
    """Return requests as predictions of a version."""
    kind = requests.schema.field(PREDICTION).type
    columns = {name: requests[name] for name in requests.column_names}
    columns[VERSION] = pa.array([version] * requests.num_rows, pa.string())
    columns[PREDICTION] = pa.array(answers, kind, from_pandas=True)
    return pa.table(columns)


@dataclass(eq=False)
class ServedVersion:
    """A version since it became champion: its answers and its counted slices, made as far as they are asked for.

    Parameters
    ----------
    history
        The events.
    version, model
        Its name and its model.
    frozen
        What turns its rows into counts.
    since
        From when it answers.
    """

    history: History
    version: str
    model: Any
    frozen: FrozenProfile
    since: datetime
    until: datetime = field(init=False)
    _answered: list[pa.Table] = field(default_factory=list)
    _slices: dict[Stage, list[Slice]] = field(default_factory=lambda: {stage: [] for stage in Stage})

    def __post_init__(self) -> None:
        self.until = self.since

    def answers(self, until: datetime) -> pa.Table:
        """Return its predictions from when it became champion until a moment."""
        self._serve(until)
        none = answered(self.history.schema, self.history.requests.slice(0, 0), self.version, np.zeros(0))
        return histories.of_period(pa.concat_tables([*self._answered, none]), self.since, until)

    def reports(self, spec: JobSpec, stage: Stage, end: datetime) -> Iterator[Report]:
        """Yield the reports, one a segment, on the window that ends at a moment; none without events in it."""
        self._serve(end)
        cut = self.history.schema.windows
        first = to_ms(max(end - cut.size, self.since))
        own = [s for s in self._slices[stage] if first <= s.start < to_ms(end)]
        for report in windows.reports(spec, self.version, stage, own, last_only=True):
            if report.window_end == end:  # not where the last slice had no events
                yield report

    def _serve(self, until: datetime) -> None:
        """Answer and count requests up to a moment, some slices at a time."""
        while self.until < until:
            step = CHUNK_SLICES * self.history.schema.windows.slide
            self._answer(self.until, self.until + step)
            self.until += step

    def _answer(self, start: datetime, end: datetime) -> None:
        """Answer the requests of a period, and count them and the labels that belong to them into slices."""
        schema = self.history.schema
        requests = histories.of_period(self.history.requests, start, end)
        answers = scoring.score(self.model, scoring.inputs(schema, requests), schema.task)
        made = answered(schema, requests, self.version, answers)
        self._answered.append(made)
        labels = self.history.labels
        times = labels[TIME].to_numpy()
        near = labels.filter(pa.array((times >= to_ms(start)) & (times <= to_ms(end + schema.label_delay))))
        self._slices[Stage.INPUTS] += slices.count_inputs(schema, self.frozen, made)
        self._slices[Stage.OUTCOMES] += slices.count_outcomes(schema, self.frozen, made, near)


def moments(history: History) -> Iterator[datetime]:
    """Yield the moments at which a slice ends, in event time, from the first after the cut to the last."""
    slide: timedelta = history.schema.windows.slide
    at = history.schema.windows.slice_of(history.cut)
    while at + slide <= history.end:
        at += slide
        yield at
