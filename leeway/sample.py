"""The first rows of event files: as they are, to see what is in them, and decoded, to see whether they can be used."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from features import codec, readers, sources
from features.errors import DataError
from features.schema import EventSchema, Role

CHUNK_BYTES = 1 << 20
CHUNKS = 32


@dataclass(frozen=True)
class Sample:
    """The oldest events of a source: decoded, and their *times* as written. *complete* if there are no others."""

    table: pa.Table
    rejects: tuple[readers.Reject, ...]
    times: pa.ChunkedArray
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
                return pa.Table.from_batches([reader.read_next_batch()]).slice(0, limit)
        return _json_rows(path, limit)
    except (pa.ArrowException, OSError, ValueError, StopIteration) as error:
        msg = f"{path} cannot be read as {kind}: {error}"
        raise DataError(msg, hint="open it in an editor: is it what its name says, and whole?") from error


def _json_rows(path: Path, limit: int) -> pa.Table:
    with path.open(encoding="utf-8") as file:
        records = [json.loads(line) for line in itertools.islice(file, limit) if line.strip()]
    if not all(isinstance(record, dict) for record in records):
        msg = "every line must be an object, like {...}"
        raise ValueError(msg)
    names = dict.fromkeys(name for record in records for name in record)
    return pa.table({name: [record.get(name) for record in records] for name in names})


def take(schema: EventSchema, role: Role, files: list[Path]) -> Sample:
    """Return the first events of *files*, at most some 32 MB of text. Raises DataError where a file cannot be read."""
    every = (chunk for path in files for chunk in sources.chunks(path, CHUNK_BYTES))
    taken = list(itertools.islice(every, CHUNKS))
    column = schema.columns.time if role == "predictions" else schema.columns.label_time
    decoded = [codec.decode(schema, role, chunk) for chunk in taken]
    return Sample(
        table=pa.concat_tables(d.table for d in decoded),
        rejects=tuple(reject for d in decoded for reject in d.rejects),
        times=pa.chunked_array(_times(taken, column), pa.string()),
        complete=next(every, None) is None,
    )


def _times(chunks: list[sources.Chunk], column: str) -> Iterator[pa.Array]:
    """Yield the first times as text, numbers and typed times included."""
    for chunk in chunks[:1]:
        table = readers.read(chunk, [column]).table
        yield from table[column].slice(0, 1000).cast(pa.string()).chunks
