"""`leeway init` on times that are spelled in other ways than ISO 8601, or not all of them: found, and read so later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from features.errors import DataError
from features.events import decode
from leeway import cli
from leeway.infer import columns, label_delays, time_columns
from leeway.project.load import Model, Project

ROWS = 200
AT = pd.date_range("2024-01-01 00:27:21.613", periods=ROWS, freq="73min", tz="UTC")
MS = [int(at.timestamp() * 1000) for at in AT]


def log(times: list[Any]) -> pd.DataFrame:
    """Return a log with these *times*."""
    frame = pd.DataFrame({"id": [f"e{i}" for i in range(ROWS)], "x": [i % 7 / 2 for i in range(ROWS)], "time": times})
    return frame.assign(prediction=[i / ROWS for i in range(ROWS)], label=[i % 2 for i in range(ROWS)])


def begun(folder: Path, frame: pd.DataFrame, suffix: str) -> Model:
    """Return the model of the project that `init` writes for *frame*."""
    path = folder / f"a{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_json(path, orient="records", lines=True)
    CliRunner().invoke(cli.app, ["-p", str(folder), "init", "--from", str(path)], catch_exceptions=False)
    return Project.load(folder).model()


@pytest.mark.parametrize("odd", [0, -1, 10**16, "unknown", "0", ""])
@pytest.mark.parametrize("per", [1, 1000, 10**6])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_one_bad_count_costs_its_row_only(tmp_path: Path, suffix: str, per: int, odd: Any) -> None:
    """The column still holds times, in the unit of the others, and the decoder sets the one row aside."""
    times = [ms * per // 1000 for ms in MS]
    model = begun(tmp_path, log([*times[:50], odd, *times[51:]]), suffix)
    made = decode.read_events(model.schema, "predictions", model.events.predictions)

    assert "time" == model.schema.columns.time
    assert (ROWS - 1, 1) == (made.table.num_rows, len(made.rejects))


@pytest.mark.parametrize("way", ["%Y%m%d", "%Y%m%d%H%M%S"])
@pytest.mark.parametrize("kind", [str, int, float])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_dates_in_digits_are_times(tmp_path: Path, suffix: str, kind: type, way: str) -> None:
    """Text or numbers, with .0 where pandas has floats, and one placeholder among them is set aside."""
    digits: list[Any] = [kind(at.strftime(way)) for at in AT]
    model = begun(tmp_path, log([*digits[:50], kind(0), *digits[51:]]), suffix)
    made = decode.read_events(model.schema, "predictions", model.events.predictions)
    expected = pd.to_datetime(pd.Series(AT).dt.strftime(way), format=way, utc=True).drop(50)

    assert way == model.schema.times.format
    assert [int(at.timestamp() * 1000) for at in expected] == sorted(made.table["time"].to_pylist())
    assert 1 == len(made.rejects)


@pytest.mark.parametrize(
    "numbers",
    [
        range(20240101, 20240101 + ROWS),  # ids one after another
        range(20240131, 20240131 + 100 * ROWS, 100),  # amounts: the 31st of every month, and of the 13th
        [int(at.strftime("%Y%m%d")) * 10**6 + i % 20 for i, at in enumerate(AT)],  # a day and a counter
        [int(at.strftime("%d%m%Y")) for at in AT],
    ],
    ids=["ids", "amounts", "numbers of orders", "the day first"],
)
@pytest.mark.parametrize("kind", [int, str])
def test_other_whole_numbers_are_no_times(numbers: Any, kind: type) -> None:
    """A month or day that there is not, or an hour that is always 0, tells them."""
    assert time_columns.time_format(pa.chunked_array([[kind(number) for number in numbers]])) is None


@pytest.mark.parametrize(
    "way",
    ["%Y-%m-%d %H:%M:%S.%f UTC", "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S,%f", "%Y-%m-%d %H:%M:%S.%f +0000 UTC",
     "%d/%b/%Y:%H:%M:%S +0000", "%b %d, %Y %I:%M %p", "%Y%m%d %H:%M:%S", "%Y%m%dT%H%M%SZ", "%Y-%m-%d %H.%M.%S"],
)  # fmt: skip
def test_common_spellings_are_found(tmp_path: Path, way: str) -> None:
    """BigQuery's, Python's logging's, Go's, Apache's and others; the decoder reads them all."""
    model = begun(tmp_path, log([at.strftime(way) for at in AT]), ".csv")
    made = decode.read_events(model.schema, "predictions", model.events.predictions)
    seconds = [int(at.timestamp()) // (60 if "%S" not in way else 1) for at in AT]

    assert seconds == [ms // (60_000 if "%S" not in way else 1000) for ms in sorted(made.table["time"].to_pylist())]
    assert not made.rejects


def test_a_spelling_that_is_not_found_is_shown_with_the_key_that_names_it() -> None:
    """A column called time that holds no times: the refusal names `events.times.format`."""
    frame = log([f"day {i % 9} of week {i // 9}" for i in range(ROWS)])
    with pytest.raises(DataError) as refused:
        columns.infer_columns(pa.Table.from_pandas(frame))
    with pytest.raises(DataError, match="'day 0 of week 0'") as named:
        columns.infer_columns(pa.Table.from_pandas(frame), columns.ColumnWishes({"time": "time"}))

    assert "events.times.format" in str(refused.value.hint)
    assert "events.times.format" in str(named.value.hint)


def test_one_bad_label_time_does_not_hide_the_delay_of_the_others(tmp_path: Path) -> None:
    """It is left out; the others still tell how long labels take."""
    known: list[Any] = [ms + 3_600_000 for ms in MS]
    frame = log(MS).assign(label_time=[*known[:50], 0, *known[51:]])
    frame.to_parquet(tmp_path / "a.parquet")
    inferred = columns.infer_columns(pa.Table.from_pandas(frame))
    delays = label_delays.observed(tmp_path / "a.parquet", None, inferred)

    assert [3_600_000] * (ROWS - 1) == delays.tolist()
