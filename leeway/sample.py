"""The first rows of event files: as they are, to see what is in them, and decoded, to see whether they can be used."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from features import codec, requests, sources
from features.errors import DataError
from features.raw import Reject
from features.schema import EventSchema

CHUNK_BYTES = 1 << 20
ENOUGH = 200_000


Stream = Literal["history", "predictions", "labels"]


@dataclass(frozen=True)
class Sample:
    """The oldest events of a stream, decoded, and those that cannot be. *complete* if there are no others."""

    table: pa.Table
    rejects: tuple[Reject, ...]
    complete: bool


def rows(path: Path, limit: int = 1000) -> pa.Table:
    """Return up to *limit* first rows of a file with the types that pyarrow finds; empty where the file is.

    Raises DataError if the name has no known ending, or the file is not what its name says.
    """
    kind = sources.FORMATS.get(path.suffix)
    if kind is None:
        msg = f"{path} has no known format"
        raise DataError(msg, hint=f"use one of {', '.join(sources.FORMATS)}")
    if not path.stat().st_size:
        return pa.table({})
    try:
        if kind == "parquet":
            file = pq.ParquetFile(path)
            return pa.Table.from_batches(itertools.islice(file.iter_batches(limit), 1), file.schema_arrow)
        if kind == "csv":
            with pa_csv.open_csv(path) as reader:
                return pa.Table.from_batches(itertools.islice(reader, 1), reader.schema).slice(0, limit)
        return _json_rows(path, limit)
    except (pa.ArrowException, OSError, ValueError) as error:
        msg = f"{path} cannot be read as {kind}: {error}"
        raise DataError(msg, hint="open it in an editor: is it what its name says, and whole?") from error


def _json_rows(path: Path, limit: int) -> pa.Table:
    with path.open("rb") as file:
        lines = [line for line in itertools.islice(file, limit) if line.strip()]
    records = [record for record in map(_object, lines) if record is not None]
    if lines and not records:
        msg = "every line must be an object, like {...}"
        raise ValueError(msg)
    names = dict.fromkeys(name for record in records for name in record)
    return pa.table({name: [record.get(name) for record in records] for name in names})


def _object(line: bytes) -> dict[str, Any] | None:
    """Return a line's object, or None: a bad line among good ones is the decoder's to tell of."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def take(schema: EventSchema, stream: Stream, files: list[Path]) -> Sample:
    """Return the first events of *files*, some 200 000. Raises DataError where a file cannot be read."""
    return first(schema, stream, _decoded(schema, stream, files))


def first(schema: EventSchema, stream: Stream, pieces: Iterator[codec.Decoded]) -> Sample:
    """Return the first of *pieces*, until there are enough."""
    taken: list[codec.Decoded] = []
    while sum(piece.table.num_rows + len(piece.rejects) for piece in taken) < ENOUGH:
        if (piece := next(pieces, None)) is None:
            break
        taken.append(piece)
    table = (
        pa.concat_tables(piece.table for piece in taken)
        if taken
        else codec.empty(schema, "labels" if stream == "labels" else "predictions")
    )
    rejects = tuple(reject for piece in taken for reject in piece.rejects)
    return Sample(table, rejects, complete=next(pieces, None) is None)


def _decoded(schema: EventSchema, stream: Stream, files: list[Path]) -> Iterator[codec.Decoded]:
    for path in files:
        if stream == "history":
            yield requests.read_requests(schema, path)
        else:
            yield from (codec.decode(schema, stream, chunk) for chunk in sources.chunks(path, CHUNK_BYTES))
