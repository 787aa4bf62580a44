"""A first look at where events are, a directory or a topic: is there anything, under which names, and what is in it."""

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
_FIRST_RECORDS = 200


class EventSource(Protocol):
    """What `leeway check` asks of a place."""

    def names(self) -> list[str]:
        """Return what there is to be read: files, or the topic once if it holds any records."""
        ...

    def heads(self, needed: str) -> dict[str, list[str]]:
        """Return the columns that each of them has that can be read, and has the one that is *needed*."""
        ...

    def optional(self, name: str) -> bool:
        """Say whether a column may be absent from it where it is null."""
        ...

    def rows(self) -> pa.Table:
        """Return the first rows as they are."""
        ...

    def take(self, schema: EventSchema, stream: Stream) -> Sample:
        """Return the oldest events, decoded."""
        ...

    def scope(self, taken: Sample) -> str:
        """Return what *taken* was taken from, in words."""
        ...

    def place(self, reject: Reject) -> str:
        """Return where a bad record is."""
        ...


@dataclass(frozen=True)
class FileSource:
    """A directory; *paths* are its files that may hold records, *csv* is how those in CSV are written."""

    paths: list[Path]
    csv: CsvFormat = field(default_factory=CsvFormat)

    def names(self) -> list[str]:
        """Return the names of the files."""
        return [path.name for path in self.paths]

    def heads(self, needed: str) -> dict[str, list[str]]:
        """Return the columns of each file that can be read."""
        return file_checks.heads(self.paths, self.csv, needed)

    def optional(self, name: str) -> bool:
        """JSON Lines may leave a null out."""
        return file_chunks.FORMATS[Path(name).suffix] == "jsonl"

    def rows(self) -> pa.Table:
        """Return the first rows of the first file; none where it cannot be read, of which the decoder tells."""
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
        """Return the file's name and the line; the name alone where the whole file is set aside."""
        return f"{Path(reject.path).name}:{reject.line}" if reject.line else Path(reject.path).name


@dataclass(frozen=True)
class TopicSource:
    """A topic, of which the parts *ranges* are to be read: the beginnings of all partitions before the rest of any."""

    target: tail_records.Target
    ranges: list[offset_ranges.Range]
    head: Records | None

    def names(self) -> list[str]:
        """Return the topic's name if it holds anything."""
        return [self.target.topic] if self.ranges else []

    def heads(self, needed: str) -> dict[str, list[str]]:
        """Return the columns of the first records that can be read, if any can."""
        names = list(dict.fromkeys(name for row in self._events() for name in row))
        return {self.target.topic: names} if names else {}

    def optional(self, name: str) -> bool:
        """A record may leave a null out."""
        return self.target.format == "json"

    def rows(self) -> pa.Table:
        """Return the texts of the first records' events; what is no text is left out."""
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
        found = (tail_records.value(value, self.target, {}) for value in (self.head.values if self.head else ()))
        events = (event for value in found for event in (value if isinstance(value, list) else [value]))
        return [event for event in events if isinstance(event, dict)][:1000]


def open_source(source: Source, schema: EventSchema, stream: Stream) -> TopicSource | FileSource:
    """Return a look at *source*.

    Raises:
        DataError: the directory is not there.
        BrokerError: Kafka does not answer, or there is no such topic.
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
