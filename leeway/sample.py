"""The first rows of event files: as they are, to see what is in them, and decoded, to see whether they can be used."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from features import codec, readers, sources
from features.errors import DataError
from features.schema import EventSchema, Role

CHUNK_BYTES = 1 << 20
ENOUGH = 200_000


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
                return pa.Table.from_batches(itertools.islice(reader, 1), reader.schema).slice(0, limit)
        return _json_rows(path, limit)
    except (pa.ArrowException, OSError, ValueError) as error:
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
    """Return the first events of *files*, some 200 000. Raises DataError where a file cannot be read."""
    chunks = (chunk for path in files for chunk in sources.chunks(path, CHUNK_BYTES))
    decoded: list[codec.Decoded] = []
    times: pa.ChunkedArray | None = None
    seen = 0
    for chunk in chunks:
        decoded.append(codec.decode(schema, role, chunk))
        times = times or _times(schema, role, chunk)
        seen += decoded[-1].table.num_rows + len(decoded[-1].rejects)
        if seen >= ENOUGH:
            break
    return Sample(
        table=pa.concat_tables(d.table for d in decoded) if decoded else codec.empty(schema, role),
        rejects=tuple(reject for d in decoded for reject in d.rejects),
        times=times or pa.chunked_array([], pa.string()),
        complete=next(chunks, None) is None,
    )


def _times(schema: EventSchema, role: Role, chunk: sources.Chunk) -> pa.ChunkedArray:
    """Return the first times as text, numbers and typed times included."""
    column = schema.columns.time if role == "predictions" else schema.columns.label_time
    return readers.read(chunk, [column]).table[column].slice(0, 1000).cast(pa.string())
