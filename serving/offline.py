"""Answers a file of events with a file of prediction events, which is there whole or not at all."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features import codec, errors
from features.readers import Reject
from features.requests import read_requests
from features.schema import PREDICTION
from features.window import from_ms
from registry import artifacts
from serving import model
from serving.model import Served

FORMATS = (".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Scored:
    """How many events were answered, and the records that could not be read."""

    rows: int
    rejects: tuple[Reject, ...]


def score(served: Served, source: Path, target: Path) -> Scored:
    """Answer every event under *source* (id, time and features) and write prediction events to *target*.

    The suffix of *target* says how: ``.jsonl`` or ``.parquet``. Columns are named as the schema names them: id, time,
    model version, features, prediction; events keep their order. What monitors read later is exactly this.

    Raises:
        DataError: *source* is not there, or *target* has another suffix.
    """
    if target.suffix not in FORMATS:
        msg = f"{target} has no known format"
        raise errors.DataError(msg, hint=f"name it with one of {', '.join(FORMATS)}")
    asked = read_requests(served.schema, source)
    table = _answered(served, asked.table)
    target.parent.mkdir(parents=True, exist_ok=True)
    artifacts.write_whole(target, _parquet(table) if target.suffix == ".parquet" else _json_lines(served, table))
    return Scored(table.num_rows, asked.rejects)


def _answered(served: Served, asked: pa.Table) -> pa.Table:
    schema, names = served.schema, served.schema.columns
    answers = model.predict(served, asked.select(list(schema.features)).to_pandas())
    columns = {
        names.id: asked[codec.ID],
        names.time: asked[codec.TIME].cast(pa.timestamp("ms", "UTC")),
        names.version: pa.array([served.version] * asked.num_rows, pa.string()),
        **{name: asked[name] for name in schema.features},
        names.prediction: pa.array(answers, asked.schema.field(PREDICTION).type),
    }
    return pa.table(columns)


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _json_lines(served: Served, table: pa.Table) -> bytes:
    time = served.schema.columns.time
    as_ms = table.set_column(table.column_names.index(time), time, table[time].cast(pa.int64()))
    rows = (dict(zip(table.column_names, row, strict=True)) for row in _rows(as_ms))
    return "".join(f"{json.dumps({**row, time: from_ms(row[time]).isoformat()})}\n" for row in rows).encode()


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Yield the rows as Python values; JSON has no NaN, so what is not finite becomes missing."""
    columns = ((_finite(value) for value in column.to_pylist()) for column in table.columns)
    return zip(*columns, strict=True)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
