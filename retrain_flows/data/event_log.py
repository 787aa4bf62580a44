"""Event log of a model: its predictions and labels of a period, read from directories or topics, or held in memory.

Only what lies in the period is kept in memory, whatever the length of the history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
import pyarrow as pa

from features.events import decode, location
from features.events.decode import TIME
from features.events.requests import unanswered_predictions
from features.schema import Events, EventSchema, Role, Source
from features.window import to_ms


@dataclass(frozen=True, eq=False)
class PeriodEvents:
    """The decoded events of a period; *rejected* is the number of records that could not be used.

    Labels are those that came from the period's start until the label delay after its end: no later one counts.
    """

    predictions: pa.Table
    labels: pa.Table
    rejected: int = 0


class EventLog(Protocol):
    """Where a model's events are read from, by period."""

    def read(self, start: datetime, end: datetime) -> PeriodEvents:
        """Return the events whose predictions lie in [start, end), in event time, those of the history first."""


@dataclass(frozen=True)
class StoredEvents:
    """The events in the directories or topics of the project file.

    *unanswered*: the predictions are read as requests, without the predictions that they may have: those of the
    history or, where there is none, of the log itself.
    """

    schema: EventSchema
    events: Events
    unanswered: bool = False

    def read(self, start: datetime, end: datetime) -> PeriodEvents:
        """Return the events of a period.

        Raises
        ------
        DataError
            A directory does not exist, or a file cannot be read at all.
        BrokerError
            A topic cannot be read.
        """
        schema, first, last = self.schema, to_ms(start), to_ms(end)
        tables, rejected = [decode.empty(schema, "predictions")], 0
        for role, place in self._sources():
            for part in _decoded(schema, role, place):
                made = unanswered_predictions(schema, part) if role == "requests" else part
                tables.append(_within(made.table, first, last))
                rejected += len(part.rejects)
        labels = [decode.empty(schema, "labels")]
        for part in _decoded(schema, "labels", self.events.labels) if self.events.labels else ():
            labels.append(_within(part.table, first, last + to_ms(schema.label_delay) + 1))
            rejected += len(part.rejects)
        columns = tables[0].column_names
        predictions = pa.concat_tables([table.select(columns) for table in tables])
        return PeriodEvents(predictions, pa.concat_tables(labels), rejected)

    def _sources(self) -> list[tuple[Role, Source]]:
        """Return the places of predictions, each with the role that its records are decoded in."""
        history, predictions = self.events.history, self.events.predictions
        if self.unanswered:
            return [("requests", history or predictions)]
        past: list[tuple[Role, Source]] = [("requests", history)] if history else []
        return [*past, ("predictions", predictions)]


@dataclass(frozen=True, eq=False)
class EventsInMemory:
    """Decoded events that are all in memory, as a backtest has them."""

    schema: EventSchema
    predictions: pa.Table
    labels: pa.Table

    def read(self, start: datetime, end: datetime) -> PeriodEvents:
        """Return the events of a period."""
        first, last = to_ms(start), to_ms(end)
        labels = _within(self.labels, first, last + to_ms(self.schema.label_delay) + 1)
        return PeriodEvents(_within(self.predictions, first, last), labels)


def _decoded(schema: EventSchema, role: Role, place: Source) -> Iterator[decode.Decoded]:
    """Yield the decoded chunks of a source, one after the other."""
    for reference in location.references(place):
        yield decode.decode(schema, role, reference)


def _within(table: pa.Table, first: int, last: int) -> pa.Table:
    """Return the rows of a decoded table whose times lie in [first, last), in milliseconds since the epoch."""
    times = table[TIME].to_numpy()
    inside = (times >= first) & (times < last)
    return table if inside.all() else table.take(np.flatnonzero(inside))
