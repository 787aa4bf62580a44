"""Pages of facts as lines of JSON: what Flink's query reads, and what it has written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import json as arrow_json

from features.events.row_decoder import ID, TIME
from features.facts.declaration import FactFiles
from features.facts.reading import KNOWN_TIME, column_name
from features.schema import FeatureKind

SQL = {FeatureKind.NUMERIC: "DOUBLE", FeatureKind.CATEGORICAL: "STRING"}
MOMENT = pa.timestamp("ms", "UTC")
_WHOLE = ("TINYINT", "SMALLINT", "INT", "BIGINT")


def columns(of: FactFiles, read: Mapping[str, FeatureKind], moment: str) -> dict[str, str]:
    """Return the columns of the table that a query reads, with their SQL types: id, times, and those that it names.

    *moment* is the SQL type of a time.
    """
    own = {of.id: "STRING"} if of.id else {}
    own |= {of.time: moment} | ({of.known_time: moment} if of.known_time else {})
    return own | {name: SQL[kind] for name, kind in read.items()}


def write(facts: pa.Table, of: FactFiles, read: Mapping[str, FeatureKind], folder: Path) -> None:
    """Write decoded facts (:func:`.reading.decode`) as lines of JSON into a new file of *folder*."""
    names = {of.id: ID} if of.id else {}
    names |= {of.time: TIME} | ({of.known_time: KNOWN_TIME} if of.known_time else {})
    values = {name: _moments(facts[own]) if own != ID else facts[own].to_pylist() for name, own in names.items()}
    values |= {name: facts[column_name((name, kind))].to_pylist() for name, kind in read.items()}
    lines = (json.dumps(dict(zip(values, row, strict=True))) + "\n" for row in zip(*values.values(), strict=True))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{len(list(folder.iterdir())):06d}.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(lines)


def _moments(column: pa.ChunkedArray) -> list[str | None]:
    """Return times in milliseconds as ISO 8601 texts in UTC."""
    texts = np.datetime_as_string(column.fill_null(0).to_numpy().astype("datetime64[ms]"))
    there = column.is_valid().to_pylist()
    return [f"{text}Z" if is_there else None for text, is_there in zip(texts.tolist(), there, strict=True)]


def read(folder: Path, types: Mapping[str, str]) -> pa.Table:
    """Return what a query has written into *folder*, with columns of the SQL types *types*."""
    schema = pa.schema([(name, pa.bool_() if kind == "BOOLEAN" else pa.string()) for name, kind in types.items()])
    parse = arrow_json.ParseOptions(explicit_schema=schema)
    parts = [
        arrow_json.read_json(path, arrow_json.ReadOptions(block_size=path.stat().st_size), parse)
        for path in sorted(folder.glob("part-*"))
        if path.stat().st_size
    ]
    rows = pa.concat_tables(parts) if parts else schema.empty_table()
    return rows.select(list(types)).cast(pa.schema([(name, _arrow(kind)) for name, kind in types.items()]))


def _arrow(kind: str) -> pa.DataType:
    """Return the type of a column that lands, by its SQL type.

    >>> _arrow("BIGINT"), _arrow("DECIMAL(10, 2)"), _arrow("VARCHAR(5)")
    (DataType(int64), DataType(double), DataType(string))
    """
    if kind == "BOOLEAN":
        return pa.bool_()
    if kind.startswith("TIMESTAMP"):
        return MOMENT
    if kind in _WHOLE:
        return pa.int64()
    return pa.string() if kind.startswith(("CHAR", "VARCHAR", "STRING")) else pa.float64()
