"""Event log of a model: its labelled rows of a period, read from directories or topics, or joined in memory.

The join is one function (:mod:`monitors.training_set.join`). Rows that come from files or topics are on disk while they
are joined, so that memory does not grow with the history.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from features.facts.declaration import NO_FACTS, FactFeatures
from features.schema import Events, EventSchema, Source
from monitors.in_process import training_set_runner
from monitors.training_set.built import Run
from monitors.training_set.join import RowCounts, labelled
from monitors.training_set.parts import Sources
from monitors.training_set.period import TrainingPeriod, within
from monitors.training_set.store import SetStore


@dataclass(frozen=True, eq=False)
class PeriodRows:
    """The labelled rows of a period.

    Parameters
    ----------
    tables
        The rows in order of time and id, as :func:`monitors.training_set.join.labelled` returns them, part by part.
    counts
        What became of the predictions.
    rejected
        The number of records that could not be used.
    """

    tables: Iterable[pa.Table]
    counts: RowCounts
    rejected: int = 0


class EventLog(Protocol):
    """Where a model's labelled rows are read from, by period."""

    def read(self, period: TrainingPeriod, *, counted: bool = False) -> PeriodRows:
        """Return the labelled rows of a period; with *counted*, those that were counted last, if they were."""

    def predictions(self, period: TrainingPeriod) -> Iterator[pa.Table]:
        """Yield the decoded predictions of a period, with or without labels, part by part and in no order."""


@dataclass(frozen=True)
class StoredEvents:
    """The events in the directories or topics of the project file.

    Parameters
    ----------
    schema, events
        What events are, and where they are.
    sets
        The folder of training sets: those that were read last are there, and are not built again.
    unanswered
        Whether the predictions are read as requests, without the predictions that they may have: those of the history
        or, where there is none, of the log itself.
    run
        Where a set is built: in this process, or in a Flink batch job.
    facts
        The fact features, whose values are computed of the facts where the log has none.
    """

    schema: EventSchema
    events: Events
    sets: Path
    unanswered: bool = False
    run: Run = training_set_runner.run
    facts: FactFeatures = NO_FACTS

    def read(self, period: TrainingPeriod, *, counted: bool = False) -> PeriodRows:
        """Return the labelled rows of a period; with *counted*, those that were counted last, if they were.

        Raises
        ------
        DataError
            A directory does not exist, or a file cannot be read at all.
        BrokerError
            A topic cannot be read.
        """
        found = self.store.built(period, self.sources(), self.run, counted=counted)
        return PeriodRows(found.tables(), found.counts, sum(found.rejected.values()))

    def predictions(self, period: TrainingPeriod) -> Iterator[pa.Table]:
        """Yield the decoded predictions of a period; errors as of :meth:`read`."""
        places = [(role, place) for role, place in self.sources() if role != "labels"]
        yield from self.store.tables(period, places)

    def logged(self, period: TrainingPeriod) -> Iterator[pa.Table]:
        """Yield the decoded predictions of a period that were made, without those of the history; errors as above."""
        yield from self.store.tables(period, [("predictions", self.events.predictions)])

    @property
    def store(self) -> SetStore:
        """The training sets that were read last."""
        return SetStore(self.sets, self.facts)

    def sources(self) -> Sources:
        """Return the places of predictions, requests and labels, each with the role that its records are decoded in."""
        history, predictions = self.events.history, self.events.predictions
        labels: Sources = [("labels", self.events.labels)] if self.events.labels else []
        if self.unanswered:
            return [("requests", history or predictions), *labels]
        if history is None:
            return [("predictions", predictions), *labels]
        # A model with a history may not have answered yet: whoever answers first makes the directory.
        made: Sources = [("predictions", predictions)] if _may_be_read(predictions) else []
        return [("requests", history), *made, *labels]


def _may_be_read(source: Source) -> bool:
    return source.path is None or Path(source.path).exists()


@dataclass(frozen=True, eq=False)
class EventsInMemory:
    """Decoded events that are all in memory, as a backtest has them: predictions that were *made*, and labels."""

    made: pa.Table
    labels: pa.Table

    def read(self, period: TrainingPeriod, *, counted: bool = False) -> PeriodRows:
        """Return the labelled rows of a period."""
        rows, counts = labelled(period, self.made, self.labels)
        return PeriodRows((rows,), counts)

    def predictions(self, period: TrainingPeriod) -> Iterator[pa.Table]:
        """Yield the decoded predictions of a period."""
        yield within(self.made, period.predictions)
