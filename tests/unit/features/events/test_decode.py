"""Decoding of events: three formats give the same typed table, and a bad record is set aside alone."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from features import errors
from features.events import decode
from features.files import file_chunks
from features.schema import EventSchema, FeatureKind, Task

SCHEMA = EventSchema(
    model="m", task=Task.BINARY, features={"x": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL}, segments="c"
)
ROWS = [
    {"id": "a", "time": "2024-01-01T00:00:00Z", "model_version": "v1", "x": 1.5, "c": "red", "prediction": 0.25},
    {"id": "b", "time": "2024-01-01T00:00:01Z", "model_version": "v1", "x": None, "c": None, "prediction": 1},
    {"id": "c", "time": "2024-01-01T00:00:02.5Z", "model_version": "v2", "x": -2, "c": "blue", "prediction": 0.5},
]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    """Write *rows* in the format of *path*'s name."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    elif path.suffix == ".csv":
        pd.DataFrame(rows).to_csv(path, index=False)
    else:
        pd.DataFrame(rows).to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_every_format_gives_the_same_table(tmp_path: Path, suffix: str) -> None:
    """JSON Lines, CSV and Parquet files with the same rows decode to equal tables, nulls and all."""
    decoded = decode.read_events(SCHEMA, "predictions", write(tmp_path / f"e{suffix}", ROWS))

    assert () == decoded.rejects
    assert {
        "id": ["a", "b", "c"],
        "time": [1704067200000, 1704067201000, 1704067202500],
        "model_version": ["v1", "v1", "v2"],
        "prediction": [0.25, 1.0, 0.5],
        "x": [1.5, None, -2.0],
        "c": ["red", None, "blue"],
    } == decoded.table.to_pydict()


BAD = {
    "not json at all": "not JSON",
    "[1, 2]": "not a JSON object",
    json.dumps({**ROWS[0], "x": "tall"}): "x is not a number",
    json.dumps({**ROWS[0], "time": "yesterday"}): "time is not a time",
    json.dumps({**ROWS[0], "id": None}): "id is missing",
    json.dumps({k: v for k, v in ROWS[0].items() if k != "prediction"}): "prediction is missing",
    "\xff\xfe": "not JSON",
}


@pytest.mark.parametrize(("line", "reason"), BAD.items(), ids=BAD.values())
def test_a_bad_line_is_set_aside_with_its_place_and_reason(tmp_path: Path, line: str, reason: str) -> None:
    """One bad line among good ones is rejected by file and line number; its neighbours are kept."""
    path = tmp_path / "e.jsonl"
    good = json.dumps(ROWS[0]), json.dumps(ROWS[2])
    path.write_bytes(f"{good[0]}\n\n{line}\n{good[1]}\n".encode("latin-1"))

    decoded = decode.read_events(SCHEMA, "predictions", path)

    assert ["a", "c"] == decoded.table["id"].to_pylist()
    (reject,) = decoded.rejects
    assert (str(path), 3) == (reject.path, reject.line)
    assert reject.reason.startswith(reason)


def test_a_csv_line_with_too_few_columns_is_named(tmp_path: Path) -> None:
    """A short CSV line is rejected by its line number, counted with the header, and the lines after keep theirs."""
    path = write(tmp_path / "e.csv", ROWS)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], "short,line", lines[2].replace("b,", ",", 1), lines[3]]) + "\n")

    decoded = decode.read_events(SCHEMA, "predictions", path)

    found = [(r.line, r.reason) for r in decoded.rejects]
    assert [(3, "2 columns where the header has 6"), (4, "id is missing")] == found
    assert ["a", "c"] == decoded.table["id"].to_pylist()


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_chunks_cover_the_file_once_and_keep_line_numbers(tmp_path: Path, suffix: str) -> None:
    """However small the chunks, each record is read once and a bad one is named by its line in the whole file."""
    rows = [{**ROWS[0], "id": str(i), "x": "bad" if i == 70 else i} for i in range(100)]
    path = write(tmp_path / f"e{suffix}", rows)
    parts = [decode.decode(SCHEMA, "predictions", c) for c in file_chunks.chunks(path, size=300)]

    assert len(parts) > 10
    assert [str(i) for i in range(100) if i != 70] == [i for p in parts for i in p.table["id"].to_pylist()]
    assert [71 + (suffix == ".csv")] == [r.line for p in parts for r in p.rejects]


def test_numbers_as_categories_do_not_depend_on_how_they_are_written(tmp_path: Path) -> None:
    """3, 3.0 and "3" are one category, also where a later line has another type than the first."""
    values = [3, 3.0, "3", True]
    path = write(tmp_path / "e.jsonl", [{**ROWS[0], "c": v} for v in values])

    assert ["3", "3", "3", "true"] == decode.read_events(SCHEMA, "predictions", path).table["c"].to_pylist()


def test_files_still_being_written_are_left_alone(tmp_path: Path) -> None:
    """Names with a leading dot or ending in .tmp are not read; the others come in the order of their names."""
    for name in ("b.jsonl", "a.csv", ".c.jsonl", "d.jsonl.tmp", "_e.parquet", "notes.txt"):
        (tmp_path / name).touch()

    assert ["a.csv", "b.jsonl"] == [p.name for p in file_chunks.list_files(tmp_path)]


def test_an_empty_directory_gives_an_empty_table_and_a_missing_one_an_error(tmp_path: Path) -> None:
    """No files is no error; no directory is, and it names the key to mend."""
    assert 0 == decode.read_events(SCHEMA, "labels", tmp_path).table.num_rows
    with pytest.raises(errors.DataError, match="correct `path` of its source"):
        decode.read_events(SCHEMA, "labels", tmp_path / "nowhere")


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_an_empty_file_gives_no_events(tmp_path: Path, suffix: str) -> None:
    """A file of no bytes is read as no events."""
    (tmp_path / f"e{suffix}").touch()

    assert 0 == decode.read_events(SCHEMA, "predictions", tmp_path).table.num_rows


def test_a_version_for_the_whole_log_fills_the_column(tmp_path: Path) -> None:
    """Where the project file names the version, the events need no such column."""
    rows = [{k: v for k, v in r.items() if k != "model_version"} for r in ROWS]
    path = write(tmp_path / "e.parquet", rows)
    table = decode.read_events(SCHEMA.model_copy(update={"version": "v7"}), "predictions", path).table

    assert ["v7"] * 3 == table["model_version"].to_pylist()


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_times_may_be_milliseconds_in_every_format(tmp_path: Path, suffix: str) -> None:
    """Integers are milliseconds since the epoch, also where a text format or a bad neighbour makes them text."""
    path = write(tmp_path / f"e{suffix}", [{**ROWS[0], "time": 1704067200000}])
    if suffix == ".jsonl":
        path.write_text(path.read_text() + "not json\n")

    assert [1704067200000] == decode.read_events(SCHEMA, "predictions", path).table["time"].to_pylist()


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize("bad", [False, True])
def test_numbers_keep_their_last_bit(tmp_path: Path, suffix: str, bad: bool) -> None:
    """However a number is written, and whatever its neighbour is, the very same double comes out."""
    values = [10.357019999999999, 0.1 + 0.2, 1e-300, 5e-324, 123456789.123456789]
    rows = [{**ROWS[0], "x": v} for v in values] + ([{**ROWS[0], "x": "tall"}] if bad else [])
    if suffix == ".parquet" and bad:
        rows = [{**r, "x": repr(r["x"])} for r in rows]

    assert (
        values == decode.read_events(SCHEMA, "predictions", write(tmp_path / f"e{suffix}", rows)).table["x"].to_pylist()
    )


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_binary_label_is_a_number_however_it_is_written(tmp_path: Path, suffix: str) -> None:
    """True and 1 are the same label; a word is no label of a binary model, and is rejected, not passed on."""
    written = ["true", "0", "1.0", "False", "late"] if suffix == ".parquet" else [True, 0, 1.0, False, "late"]
    rows = [{"id": str(i), "time": 1704067200000, "label": label} for i, label in enumerate(written)]
    decoded = decode.read_events(SCHEMA, "labels", write(tmp_path / f"l{suffix}", rows))

    assert [1.0, 0.0, 1.0, 0.0] == decoded.table["label"].to_pylist()
    assert ["label is neither 0 nor 1 (events.positive names the label that counts as 1)"] == [
        r.reason for r in decoded.rejects
    ]
