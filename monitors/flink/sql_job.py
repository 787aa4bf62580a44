"""SQL fragments that the jobs share: intervals, fields of joined text, and views with a row time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pyflink.table import Schema

SEPARATOR = "U&'\\001F'"
""":data:`monitors.job_spec.FIELD_SEPARATOR` as SQL."""


def interval(span_ms: int) -> str:
    """Return a SQL interval of *span_ms* milliseconds.

    >>> interval(90_061_001)
    "INTERVAL '1 1:1:1.001' DAY(3) TO SECOND(3)"
    """
    days, left = divmod(span_ms, 86_400_000)
    hours, left = divmod(left, 3_600_000)
    minutes, left = divmod(left, 60_000)
    return f"INTERVAL '{days} {hours}:{minutes}:{left // 1000}.{left % 1000:03d}' DAY(3) TO SECOND(3)"


def field(text: str, index: int, kind: str = "STRING") -> str:
    """Return the SQL of the field at *index* of joined *text*, as *kind*."""
    part = f"SPLIT_INDEX({text}, {SEPARATOR}, {index})"
    return part if kind == "STRING" else f"CAST({part} AS {kind})"


def first_row(columns: Iterable[str], values: Iterable[object] | None, rows: int) -> pd.DataFrame:
    """Return a function's result for a whole batch: values in its first row, nulls in all others.

    Parameters
    ----------
    columns
        Names of the result's columns.
    values
        One value per column; None if there is no result.
    rows
        Rows of the batch.
    """
    frame = {name: np.full(rows, None, object) for name in columns}
    if rows and values is not None:
        for column, value in zip(frame.values(), values, strict=True):
            column[0] = value
    return pd.DataFrame(frame)


def retime(tables: Any, name: str, query: str, columns: Mapping[str, str], time: str) -> None:
    """Create a view with a row time ``rt``, under the source's watermark.

    Parameters
    ----------
    tables
        The table environment.
    name
        Name of the view.
    query
        Its SQL.
    columns
        Its columns, with their SQL types.
    time
        SQL of the row time, in milliseconds.
    """
    schema = Schema.new_builder()
    for column, kind in columns.items():
        schema.column(column, kind)
    schema.column_by_expression("rt", f"TO_TIMESTAMP_LTZ({time}, 3)").watermark("rt", "SOURCE_WATERMARK()")
    stream = tables.to_data_stream(tables.sql_query(query))
    tables.create_temporary_view(name, tables.from_data_stream(stream, schema.build()))
