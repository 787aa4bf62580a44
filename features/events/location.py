"""Locations of events, directories and topics, as references to their parts: file chunks and ranges of offsets.

A reference is a short text that can be sent to any process, which then reads that part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from features import errors
from features.conventions import CsvFormat
from features.files import file_chunks
from features.kafka import offset_ranges
from features.schema import Source

Place = Source | Path
"""A source of the project file, or a directory (or a file) of events by itself."""
Reference = file_chunks.Chunk | offset_ranges.Range
"""A part of a location: a chunk of a file, or a range of offsets of a topic's partition."""


def references(place: Place) -> Iterator[Reference]:
    """Yield references to all that is at *place* now, in order.

    A file that cannot be opened is one reference, whose reader reports the error.

    Raises
    ------
    DataError
        The directory does not exist.
    BrokerError
        Kafka does not answer, or there is no such topic.
    """
    if isinstance(place, Source) and place.path is None:
        yield from offset_ranges.ranges(place)
        return
    for path in file_chunks.list_files(directory(place)):
        yield from file_references(path, csv_format(place))


def csv_format(place: Place) -> CsvFormat:
    """Return the CSV dialect of *place*."""
    return place.csv if isinstance(place, Source) else CsvFormat()


def file_references(path: Path, csv: CsvFormat) -> Iterator[file_chunks.Chunk]:
    """Yield the chunks of one file; if it cannot be opened, one chunk whose reader reports the error."""
    try:
        yield from file_chunks.chunks(path, csv=csv)
    except (errors.DataError, OSError):
        if path.suffix not in file_chunks.FORMATS:
            raise
        yield file_chunks.Chunk(str(path), file_chunks.FORMATS[path.suffix], 0, 1, 1)


def directory(place: Place) -> Path:
    """Return the directory of *place*.

    Raises
    ------
    BrokerError
        It is a topic and has none.
    """
    if isinstance(place, Path):
        return place
    if place.path is None:
        msg = f"{place.name} is no directory"
        raise errors.BrokerError(msg, hint="this needs events.*.path in the project file")
    return Path(place.path)


def name(place: Place) -> str:
    """Return the name of *place* in messages."""
    return place.name if isinstance(place, Source) else str(place)


def decode(text: str) -> Reference:
    """Return the reference whose ``encode()`` gave *text*."""
    fields = json.loads(text)
    return offset_ranges.Range(**fields) if "topic" in fields else file_chunks.Chunk.decode(fields)
