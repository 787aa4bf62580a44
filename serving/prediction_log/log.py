"""The prediction log of one model: rows are handed over without waiting, and a thread writes them.

Memory is bounded: where the disk is slower than the answers, or away, rows beyond the bound are dropped and counted,
and the answers go on. What is dropped is the newest, so that what is in the log has no holes before an outage.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from features import errors
from features.schema import EventSchema
from features.window import UTC
from serving.prediction_log import event_table, journal
from serving.prediction_log.event_table import Made
from serving.prediction_log.journal import Journal

_LOG = logging.getLogger("leeway.serve")
_REST = 4e-3
"""Seconds of rest before each feature's column (:func:`serving.prediction_log.event_table.events`): a thread that makes
columns without rest has half of the interpreter, while answers queue."""
_RESTING = 0.25
"""Part of `Limits.flush` that may pass with rests: where features are many, each is shorter."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is held, and for how long.

    Parameters
    ----------
    flush
        Seconds until an answer is in a journal: what a killed process loses.
    publish
        Seconds until a journal is a Parquet file that monitors read.
    rows
        Rows after which a journal is published before that.
    waiting_rows, waiting_bytes
        Most rows, and most bytes of their requests, that wait in memory.
    """

    flush: float = 0.5
    publish: float = 60.0
    rows: int = 200_000
    waiting_rows: int = 100_000
    waiting_bytes: int = 64 << 20


@dataclass(slots=True)
class LogCounts:
    """Rows by what became of them: *journaled* are on disk, *published* in a Parquet file."""

    journaled: int = 0
    published: int = 0
    dropped: int = 0
    recovered: int = 0
    failing: str = ""


class PredictionLog:
    """Writes the predictions of one model as prediction events into a directory.

    Parameters
    ----------
    schema
        The model's events.
    target
        The directory of Parquet files, `events.predictions.path`.
    journals
        The folder of journals, in the state folder.
    name
        A name for this process's files that no other process has.
    limits
        How much is held, and for how long.
    """

    def __init__(self, schema: EventSchema, target: Path, journals: Path, name: str, limits: Limits) -> None:
        self.schema, self.target, self.limits = schema, target, limits
        self.counts = LogCounts()
        self._journals, self._name = journals, name
        self._columns = event_table.columns(schema)
        self._rest = min(_REST, _RESTING * limits.flush / len(schema.features))
        self._waiting: deque[Made] = deque()
        self._rows = self._bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._journal: Journal | None = None
        self._closed: list[Journal] = []
        self._opened = 0.0
        self._thread = threading.Thread(target=self._run, name=f"log-{schema.model}", daemon=True)

    def start(self) -> None:
        """Publish what dead processes left, and start to write."""
        try:
            self.counts.recovered = journal.recover(self._journals, self.target).rows
        except OSError as error:
            self._fail(error)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that are in memory only."""
        return self._rows

    def add(self, made: Made) -> bool:
        """Take predictions to be written, without waiting; return False if they are dropped, and counted."""
        n, size = len(made.rows), made.rows.size
        with self._lock:
            if self._rows + n > self.limits.waiting_rows or self._bytes + size > self.limits.waiting_bytes:
                self.counts.dropped += n
                return False
            self._rows += n
            self._bytes += size
            self._waiting.append(made)
        return True

    def close(self) -> int:
        """Write and publish all that was taken, and return how many rows could not be written (0, if nothing fails)."""
        self._stopping = True
        self._wake.set()
        self._thread.join()
        return self._rows

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait((1 - _RESTING) * self.limits.flush)
            self._turn()
        self._turn(last=True)

    def _turn(self, *, last: bool = False) -> None:
        """Append what waits to the journal; publish it where it is due."""
        try:
            self._append()
            while last and self._waiting:
                self._append()
            if self._journal is not None and (last or self._due(self._journal)):
                self._end(self._journal)
            while self._closed:
                self._publish(self._closed[0])
                del self._closed[0]
            self.counts.failing = ""
        except Exception as error:  # whatever it is, a thread that had ended would log nothing any more
            self._fail(error)

    def _end(self, current: Journal) -> None:
        current.close()
        self._closed.append(current)
        self._journal = None

    def _publish(self, closed: Journal) -> None:
        """Publish a journal; rows that it has no more, since somebody removed or cut it, are dropped ones."""
        rows = journal.publish(closed.path, self.target)
        self.counts.published += rows
        if lost := max(closed.rows - rows, 0):
            self.counts.dropped += lost
            text = "%s: %d rows of the prediction log are lost: somebody removed or changed %s; the log goes on"
            _LOG.error(text, self.schema.model, lost, closed.path)

    def _due(self, current: Journal) -> bool:
        return current.rows >= self.limits.rows or time.monotonic() - self._opened >= self.limits.publish

    def _append(self) -> None:
        """Append what waits to the journal. What could not be written waits on, as does what is added meanwhile."""
        batch = list(self._waiting)
        if not batch:
            return
        if self._journal is not None and self._journal.is_gone:
            self._end(self._journal)
        if self._journal is None:
            self._journal = Journal(self._new_path(), self._columns)
            self._opened = time.monotonic()
        try:
            table = self._table(batch, self._rest)
        except (ValueError, TypeError):  # Arrow's own are of both kinds
            if not self._drop_misfits(batch):
                raise
            return
        self._journal.append(table.to_batches()[0])
        self._forget(batch)
        self.counts.journaled += table.num_rows

    def _table(self, batch: Sequence[Made], rest: float) -> pa.Table:
        """Return predictions as rows of the log, with a rest (s) before each feature."""
        events = event_table.events(self.schema, batch, rest=lambda: time.sleep(rest))
        return events.cast(self._columns).combine_chunks()

    def _drop_misfits(self, batch: Sequence[Made]) -> bool:
        """Drop and count predictions that are no events; return whether there were any.

        Those beside them are written in the next turn.
        """
        before = self.counts.dropped
        for each in batch:
            try:
                self._table([each], 0)  # a rest for each feature of each request would take minutes
            except (ValueError, TypeError) as error:
                text = "%s: %d rows of version %s are no prediction events, and not in the log: %s"
                _LOG.error(text, self.schema.model, len(each.rows), each.version, errors.reason(error))
                self.counts.dropped += len(each.rows)
                self._forget([each])
        return self.counts.dropped > before

    def _forget(self, batch: Sequence[Made]) -> None:
        """Take predictions out of memory."""
        with self._lock:
            for each in batch:
                self._waiting.remove(each)
                self._rows -= len(each.rows)
                self._bytes -= each.rows.size

    def _new_path(self) -> Path:
        """Return a path whose name sorts after those of earlier journals."""
        return self._journals / f"served-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{self._name}{journal.SUFFIX}"

    def _fail(self, error: Exception) -> None:
        if not self.counts.failing:
            _LOG.error("the prediction log of %s cannot be written: %s; answers go on", self.schema.model, error)
        self.counts.failing = f"{type(error).__name__}: {error}"
