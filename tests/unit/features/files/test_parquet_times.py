"""Times of row groups by statistics: they enclose what is decoded, and are unknown where they might not."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.conventions import Times
from features.files.parquet_times import row_group_times
from features.window import UTC, to_ms

START = datetime(2024, 1, 1, tzinfo=UTC)
STAMPS = pd.date_range(START, periods=40, freq="h")
MS = np.array([to_ms(START + n * timedelta(hours=1)) for n in range(40)])
COLUMNS = {
    "milliseconds": (pa.array(MS), Times(unit="ms")),
    "seconds": (pa.array(MS // 1000), Times(unit="s")),
    "float seconds": (pa.array(MS / 1000), Times(unit="s")),
    "timestamp": (pa.array(STAMPS, pa.timestamp("ms", "UTC")), Times()),
    "nanoseconds": (pa.array(STAMPS, pa.timestamp("ns", "UTC")), Times()),
    "another zone": (pa.array(STAMPS, pa.timestamp("us", "Asia/Tokyo")), Times()),
    "no zone": (pa.array(STAMPS.tz_localize(None), pa.timestamp("us")), Times()),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_the_times_of_a_group_enclose_its_rows(kind: str, tmp_path: Path) -> None:
    """To the millisecond, and one beyond it on both sides."""
    column, times = COLUMNS[kind]
    pq.write_table(pa.table({"x": np.arange(40), "t": column}), tmp_path / "a.parquet", row_group_size=10)
    expected = [(int(MS[n]) - 1, int(MS[n + 9]) + 1) for n in range(0, 40, 10)]
    assert expected == row_group_times(tmp_path / "a.parquet", "t", times)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(STAMPS.strftime("%d.%m.%Y")),
        pa.array([None] * 40, pa.int64()),
        pa.array(MS * 1000),
        pa.array(["x"] * 40),
    ],
    ids=["text", "no value", "another unit", "no time"],
)
def test_where_times_are_unknown_a_group_is_read(column: pa.Array, tmp_path: Path) -> None:
    """The order of text is not that of times, and a time out of range is no bound."""
    pq.write_table(pa.table({"t": column}), tmp_path / "a.parquet")
    assert [None] == row_group_times(tmp_path / "a.parquet", "t", Times())


def test_a_file_without_the_column_or_that_is_none_has_no_times(tmp_path: Path) -> None:
    """Its reader says what is wrong."""
    pq.write_table(pa.table({"t": MS}), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_text("no Parquet")
    assert ([None], []) == tuple(row_group_times(tmp_path / name, "u", Times()) for name in ("a.parquet", "b.parquet"))
