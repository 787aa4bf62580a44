"""Times of Parquet row groups by the file's own statistics, so that groups of other times need not be read."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.conventions import Times
from features.values import timestamps
from features.window import UTC

_ANY_TIME = datetime(9000, 1, 1, tzinfo=UTC)
"""A present before which all times lie: a group that ends in the future is read, and its future times are refused."""


def row_group_times(path: Path, column: str, times: Times) -> list[tuple[int, int] | None]:
    """Return for each row group the first and the last time of a column, in milliseconds since the epoch.

    None where that is unknown: without statistics, for times in text (whose order is that of letters), or where a time
    is out of the range of `times`.

    Parameters
    ----------
    path
        The file.
    column
        The column of times.
    times
        How times are written.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    try:
        meta = pq.read_metadata(path)
        names = meta.schema.names
        at = names.index(column) if names.count(column) == 1 else None
        groups = range(meta.num_row_groups)
        return [None if at is None else _bounds(meta.row_group(g).column(at).statistics, times) for g in groups]
    except (ValueError, pa.ArrowException):
        return []


def _bounds(statistics: Any, times: Times) -> tuple[int, int] | None:
    if statistics is None or not statistics.has_min_max or isinstance(statistics.min, str | bytes):
        return None
    ends = timestamps.time(pa.array([statistics.min, statistics.max]), times, _ANY_TIME).values
    if ends.null_count:
        return None
    # Python's datetimes have no nanoseconds, and floats may be rounded.
    return ends[0].as_py() - 1, ends[1].as_py() + 1
