"""A decoded sample of a stream: its oldest events and rejects, for the checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from features.conventions import CsvFormat
from features.events import decode, location, requests
from features.schema import EventSchema, Source
from features.values.untyped import Reject

SAMPLE_ROWS = 200_000
"""Rows after which no further piece of a stream is read."""


Stream = Literal["history", "predictions", "labels"]


@dataclass(frozen=True)
class Sample:
    """The oldest events of a stream, decoded, and its *rejects*; *complete* if the stream has no others."""

    table: pa.Table
    rejects: tuple[Reject, ...]
    complete: bool


def take(schema: EventSchema, stream: Stream, files: list[Path], csv: CsvFormat) -> Sample:
    """Return the first `SAMPLE_ROWS` or more events of *files*; *csv* is the format of those in CSV."""
    return take_first(schema, stream, _decoded(schema, stream, files, csv))


def take_first(schema: EventSchema, stream: Stream, pieces: Iterator[decode.Decoded]) -> Sample:
    """Return the first of *pieces* with together at least `SAMPLE_ROWS` rows."""
    taken: list[decode.Decoded] = []
    while sum(piece.table.num_rows + len(piece.rejects) for piece in taken) < SAMPLE_ROWS:
        if (piece := next(pieces, None)) is None:
            break
        taken.append(piece)
    table = (
        pa.concat_tables(piece.table for piece in taken)
        if taken
        else decode.empty(schema, "labels" if stream == "labels" else "predictions")
    )
    rejects = tuple(reject for piece in taken for reject in piece.rejects)
    return Sample(table, rejects, complete=next(pieces, None) is None)


def _decoded(schema: EventSchema, stream: Stream, files: list[Path], csv: CsvFormat) -> Iterator[decode.Decoded]:
    for path in files:
        if stream == "history":
            yield requests.read_requests(schema, Source(path=str(path), csv=csv))
        else:
            yield from (decode.decode(schema, stream, part) for part in location.file_references(path, csv))
