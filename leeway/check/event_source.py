"""Event sources for the check: a directory's files or a topic's records, with their columns and a sample of events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from features.conventions import CsvFormat
from features.errors import DataError
from features.events import decode, location, requests
from features.files import file_chunks
from features.kafka import offset_ranges
from features.kafka.records import Records
from features.schema import EventSchema, Source
from features.values.untyped import Reject
from leeway.check import files as file_checks
from leeway.check import sample
from leeway.check.sample import Sample, Stream
from leeway.infer import log_sample
from leeway.project.validation_errors import count
from leeway.topics import tail_records

_RECORDS_PER_RANGE = {"json": 5000, "avro": 5000, "arrow": 10}
"""Kafka records read at a time, by format; an Arrow record holds many events."""
_FIRST_RECORDS = 200
"""Kafka records whose columns are looked at."""


class EventSource(Protocol):
    """Where `leeway check` reads the events of one stream."""

    def names(self) -> list[str]:
        """Return the names of the files, or that of the topic if it has records."""
        ...

    def heads(self, needed: str) -> dict[str, list[str]]:
        """Return the columns of each file or topic that can be read; of a CSV only if it has the *needed* column."""
        ...

    def optional(self, name: str) -> bool:
        """Return whether the file or topic *name* may omit a column where it is null."""
        ...

    def rows(self) -> pa.Table:
        """Return the first rows undecoded."""
        ...

    def take(self, schema: EventSchema, stream: Stream) -> Sample:
        """Return the oldest events, decoded."""
        ...

    def scope(self, taken: Sample) -> str:
        """Return as text what *taken* is a sample of."""
        ...

    def place(self, reject: Reject) -> str:
        """Return the place of a rejected record."""
        ...


@dataclass(frozen=True)
class FileSource:
    """A directory: *paths* are its files with records, *csv* is the format of those in CSV."""

    paths: list[Path]
    csv: CsvFormat = field(default_factory=CsvFormat)

    def names(self) -> list[str]:
        """Return the names of the files."""
        return [path.name for path in self.paths]

    def heads(self, needed: str) -> dict[str, list[str]]:
        """Return the columns of each file that can be read."""
        return file_checks.heads(self.paths, self.csv, needed)

    def optional(self, name: str) -> bool:
        """Return whether the file is in JSON Lines, which may omit a null."""
        return file_chunks.FORMATS[Path(name).suffix] == "jsonl"

    def rows(self) -> pa.Table:
        """Return the first rows of the first file; none where it cannot be read, which the decoder reports."""
        try:
            return log_sample.rows(self.paths[0], 1000, self.csv)
        except DataError:
            return pa.table({})

    def take(self, schema: EventSchema, stream: Stream) -> Sample:
        """Return the events of the first files."""
        return sample.take(schema, stream, self.paths, self.csv)

    def scope(self, taken: Sample) -> str:
        """Return how many files there are."""
        return count(len(self.paths), "file") if taken.complete else "the first files"

    def place(self, reject: Reject) -> str:
        """Return the file's name and the line; the name alone where the whole file is rejected."""
        return f"{Path(reject.path).name}:{reject.line}" if reject.line else Path(reject.path).name


@dataclass(frozen=True)
class TopicSource:
    """A topic: *ranges* are read in order, the beginnings of all partitions before the rest of any."""

    target: tail_records.Target
    ranges: list[offset_ranges.Range]
    head: Records | None

    def names(self) -> list[str]:
        """Return the topic's name if it has records."""
        return [self.target.topic] if self.ranges else []

    def heads(self, needed: str) -> dict[str, list[str]]:
        """Return the columns of the first records that can be read."""
        names = list(dict.fromkeys(name for row in self._events() for name in row))
        return {self.target.topic: names} if names else {}

    def optional(self, name: str) -> bool:
        """Return whether records are JSON, which may omit a null."""
        return self.target.format == "json"

    def rows(self) -> pa.Table:
        """Return the text values of the first records' events; other values are null."""
        rows = self._events()
        names = dict.fromkeys(name for row in rows for name in row)
        texts = {name: [text if isinstance(text := row.get(name), str) else None for row in rows] for name in names}
        return pa.table({name: pa.array(values, pa.string()) for name, values in texts.items()})

    def take(self, schema: EventSchema, stream: Stream) -> Sample:
        """Return the events of the first offsets of every partition."""
        return sample.take_first(schema, stream, self._decoded(schema, stream))

    def scope(self, taken: Sample) -> str:
        """Return how many partitions there are."""
        return f"{count(len({r.partition for r in self.ranges}), 'partition')}" + (
            "" if taken.complete else ", in part"
        )

    def place(self, reject: Reject) -> str:
        """Return topic, partition and offset."""
        return f"{reject.path} offset {reject.line}"

    def _decoded(self, schema: EventSchema, stream: Stream) -> Iterator[decode.Decoded]:
        role = tail_records.role(stream)
        for part in self.ranges:
            decoded = decode.decode(schema, role, part)
            yield requests.unanswered_predictions(schema, decoded) if stream == "history" else decoded

    def _events(self) -> list[dict[str, object]]:
        decoded = (tail_records.value(value, self.target, {}) for value in (self.head.values if self.head else ()))
        events = (event for value in decoded for event in (value if isinstance(value, list) else [value]))
        return [event for event in events if isinstance(event, dict)][:1000]


def open_source(source: Source, schema: EventSchema, stream: Stream) -> TopicSource | FileSource:
    """Return the event source that the project file's *source* names.

    Raises
    ------
    DataError
        The directory does not exist.
    BrokerError
        Kafka does not answer, or the topic does not exist.
    """
    if source.topic is None:
        files = file_chunks.list_files(location.directory(source))
        # A text file without a byte holds no record; a Parquet file of that kind is broken.
        return FileSource([path for path in files if path.stat().st_size or path.suffix == ".parquet"], source.csv)
    ranges = sorted(
        offset_ranges.ranges(source, _RECORDS_PER_RANGE[source.format]), key=lambda r: (r.start, r.partition)
    )
    target = tail_records.Target(source.bootstrap, source.topic, source, schema, tail_records.role(stream))
    return TopicSource(
        target, ranges, offset_ranges.fetch(offset_ranges.head(ranges[0], _FIRST_RECORDS)) if ranges else None
    )
