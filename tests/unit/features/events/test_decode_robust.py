"""Robustness of decoding: for any bytes it ends, and each record is a row or an unchanged dead letter."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import spelling
from features.conventions import CsvFormat, Times
from features.events import decode
from features.files import file_chunks
from features.kafka.records import Records
from features.schema import EventSchema, FeatureKind, Role, Source, Task
from features.topic import RecordFormat
from features.values.untyped import Reject
from features.window import UTC, agreed_newest
from tests.support.example_counts import examples

SCHEMA = EventSchema(
    model="m", task=Task.BINARY, features={"x": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL}, version="v1"
)
NOW = datetime(2024, 6, 1, tzinfo=UTC)
GOOD: dict[str, Any] = {"id": "a", "time": 1704067200000, "x": 1.5, "c": "red", "prediction": 0.25}
HEAD = "id,time,x,c,prediction"
DAY = 86_400_000


def decoded(folder: Path, schema: EventSchema = SCHEMA, role: Role = "predictions", **source: Any) -> decode.Decoded:
    """Return what the files of *folder* decode to, at a fixed present."""
    return decode.read_events(schema, role, Source(path=str(folder), **source), now=NOW)


def csv_of(folder: Path, *lines: str | bytes) -> Path:
    """Write a CSV file of these lines after the usual header."""
    body = b"\n".join(line.encode() if isinstance(line, str) else line for line in (HEAD, *lines))
    (folder / "e.csv").write_bytes(body + b"\n")
    return folder


def jsonl_of(folder: Path, *events: dict[str, Any] | bytes) -> Path:
    """Write events, or lines as they are, as JSON Lines."""
    lines = (event if isinstance(event, bytes) else json.dumps(event).encode() for event in events)
    (folder / "e.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return folder


def parquet_of(folder: Path, **columns: Any) -> Path:
    """Write a Parquet file of two usual events with some columns replaced."""
    usual = {name: [value] * 2 for name, value in GOOD.items()} | {"id": ["a", "b"]}
    pq.write_table(pa.table({**usual, **columns}), folder / "e.parquet")
    return folder


ODD: dict[str, tuple[str, Any]] = {
    "lone surrogate": ("c", b'"\\ud83d"'),
    "lone low surrogate": ("c", b'"a\\ude00"'),
    "a time of 20 digits": ("time", b"17040672000000000000"),
    "a time of 2^63": ("time", b"9223372036854775808"),
    "a time of 1e300": ("time", b"1e300"),
    "a time that is not a number": ("time", b"NaN"),
    "a time that is true": ("time", b"true"),
    "seconds": ("time", b"1704067200"),
    "microseconds": ("time", b"1704067200000000"),
    "nanoseconds as text": ("time", b'"1704067200000000000"'),
    "a year of 2099": ("time", b'"2099-01-01T00:00:00Z"'),
    "the year 0": ("time", b'"0000-01-01"'),
    "a list of numbers": ("x", b"[1, 2]"),
    "a list where text is wanted": ("c", b'["red"]'),
    "a record": ("c", b'{"a": 1}'),
    "a byte of latin-1": ("c", b'"caf\xe9"'),
    "a probability of 1.7": ("prediction", b"1.7"),
    "a probability of -3": ("prediction", b"-3"),
    "no probability": ("prediction", b"NaN"),
    "an id with lost digits": ("id", b"9007199254740993.5e3"),
    "digits without end": ("x", b"1" * 5000),
    "a name twice": ("c", b'"red", "c": "blue"'),
}


@pytest.mark.parametrize("form", ["file", "topic"])
@pytest.mark.parametrize(("column", "value"), ODD.values(), ids=ODD)
def test_an_odd_value_costs_its_record_only(tmp_path: Path, form: str, column: str, value: bytes) -> None:
    """By both doors the record is set aside as it came, by its column, and its neighbours are rows."""
    line = json.dumps({**GOOD, column: "@"}).encode().replace(b'"@"', value)
    lines = [json.dumps({**GOOD, "id": str(i)}).encode() for i in range(4)]
    lines.insert(2, line)
    if form == "file":
        result = decoded(jsonl_of(tmp_path, *lines))
    else:
        batch = Records("t", "json", [0] * 5, list(range(1, 6)), lines)
        result = decode.decode_records(SCHEMA, "predictions", batch, now=NOW)

    assert ["0", "1", "2", "3"] == result.table["id"].to_pylist()
    (letter,) = result.rejects
    assert (3, line) == (letter.line, original(letter))
    assert column in letter.reason or "JSON" in letter.reason


def original(letter: Reject) -> bytes:
    """Return the bytes that a dead letter keeps."""
    return bytes.fromhex(letter.raw_hex) if letter.raw_hex else letter.raw.encode()


@pytest.mark.parametrize("text", ["a\x1fb", "a\x1eb", "a\x00b", "tab\there", "\x7f"])
def test_control_characters_are_shown_by_their_pictures(tmp_path: Path, text: str) -> None:
    """No category, id or segment holds a separator, a line end or a NUL, and different ones stay different."""
    result = decoded(jsonl_of(tmp_path, {**GOOD, "c": text, "id": text}))

    assert [spelling.canonical(text)] * 2 == [result.table[name][0].as_py() for name in ("id", "c")]
    assert spelling.canonical(text).isprintable()


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[1], [2]]),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.array([b"\xff", b"\xfe"]),
    ],
    ids=["list", "record", "binary"],
)
@pytest.mark.parametrize("column", ["id", "time", "x", "c", "prediction"])
def test_a_parquet_column_of_no_usable_type_sets_its_rows_aside(tmp_path: Path, column: str, values: pa.Array) -> None:
    """The rows are told one by one, with the column's name; nothing raises."""
    result = decoded(parquet_of(tmp_path, **{column: values}))

    assert [1, 2] == [letter.line for letter in result.rejects]
    assert {column} == {letter.column for letter in result.rejects}


def test_binary_that_is_text_is_text(tmp_path: Path) -> None:
    """Old writers do not mark text as such."""
    assert ["red", "é"] == decoded(parquet_of(tmp_path, c=[b"red", "é".encode()])).table["c"].to_pylist()


@pytest.mark.parametrize(
    "times",
    [np.array([np.nan, 1704067200000.0]), np.array([2**63, 1704067200000], np.uint64), np.array([-1, 1704067200000])],
    ids=["nan", "uint64", "negative"],
)
def test_a_time_that_is_none_is_counted(tmp_path: Path, times: Any) -> None:
    """It does not become a negative number that is dropped without a word."""
    result = decoded(parquet_of(tmp_path, time=times))

    assert ["b"] == result.table["id"].to_pylist()
    assert [1] == [letter.line for letter in result.rejects]


def test_a_small_parquet_file_that_takes_much_memory_is_refused(tmp_path: Path) -> None:
    """Long texts or numbers that repeat a million times are a few kilobytes on disk; the file is told with its rows."""
    n = 1_000_000
    words = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["long " * 200]))
    wide = pa.table({**{name: pa.array(np.full(n, 1.0)) for name in ("x", "prediction")},
                     "time": np.full(n, 1704067200000), "id": words, "c": words})  # fmt: skip
    pq.write_table(wide, tmp_path / "e.parquet", compression="zstd", row_group_size=n)
    assert (tmp_path / "e.parquet").stat().st_size < 50_000
    before = pa.default_memory_pool().max_memory()
    result = decoded(tmp_path)

    (letter,) = result.rejects
    assert (0, n, "memory") == (letter.line, letter.records, letter.reason.split(" of ")[1].split(",")[0])
    assert pa.default_memory_pool().max_memory() - before < 200 << 20


def test_one_value_has_one_spelling_in_every_format(tmp_path: Path) -> None:
    """Truth, whole numbers, missing values and Unicode's forms: a log may change its format without a fault."""
    spelled = {"True": True, "1.0": 1, "caf\u00e9": "cafe\u0301", "NA": "NA", "": None, "01": "01", "1.10": "1.10"}
    rows = [{**GOOD, "id": str(i)} for i in range(len(spelled))]
    for name in ("csv", "jsonl", "parquet"):
        (tmp_path / name).mkdir()
    csv_of(tmp_path / "csv", *(f"{i},{GOOD['time']},1.5,{text},0.25" for i, text in enumerate(spelled)))
    jsonl_of(tmp_path / "jsonl", *({**row, "c": value} for row, value in zip(rows, spelled.values(), strict=True)))
    pd.DataFrame(rows).assign(c=[None if v is None else str(v) for v in spelled.values()]).to_parquet(
        tmp_path / "parquet" / "e.parquet"
    )

    found = {name: decoded(tmp_path / name).table["c"].to_pylist() for name in ("csv", "jsonl", "parquet")}
    assert {name: ["true", "1", "caf\u00e9", "NA", None, "01", "1.10"] for name in found} == found


@pytest.mark.parametrize("missing", [("",), ("", "NA"), ("NA",)])
def test_what_means_missing_is_one_setting(tmp_path: Path, missing: tuple[str, ...]) -> None:
    """A text is a category in all formats, or in none."""
    schema = SCHEMA.model_copy(update={"missing": missing})
    for name in ("csv", "jsonl"):
        (tmp_path / name).mkdir()
    values = ["", "NA", "None"]
    csv_of(tmp_path / "csv", *(f"{i},{GOOD['time']},1.5,{text},0.25" for i, text in enumerate(values)))
    jsonl_of(tmp_path / "jsonl", *({**GOOD, "c": text} for text in values))

    expected = [None if text in missing else text for text in values]
    assert [expected] * 2 == [decoded(tmp_path / name, schema).table["c"].to_pylist() for name in ("csv", "jsonl")]


def test_a_code_for_missing_is_missing_as_a_number_too(tmp_path: Path) -> None:
    """-999 in a numeric feature is no value where the project file says so, in text and as a number."""
    schema = SCHEMA.model_copy(update={"missing": ("-999",)})
    result = decoded(jsonl_of(tmp_path, {**GOOD, "x": -999}, {**GOOD, "x": "-999.0"}, {**GOOD, "x": 2}), schema)

    assert [None, None, 2.0] == result.table["x"].to_pylist()


def test_ids_keep_all_their_digits(tmp_path: Path) -> None:
    """Above 2^53 too, and beside others that are no whole numbers."""
    lines = [b'{"id": 9007199254740993, "time": 1704067200000, "x": 1, "c": "a", "prediction": 0.5}',
             b'{"id": 1.5, "time": 1704067200000, "x": 1, "c": "a", "prediction": 0.5}']  # fmt: skip
    assert ["9007199254740993", "1.5"] == decoded(jsonl_of(tmp_path, *lines)).table["id"].to_pylist()


LABELS: list[tuple[dict[str, Any], list[Any], list[float]]] = [
    ({}, [1, "0", True, 1.0, "true"], [1.0, 0.0, 1.0, 1.0, 1.0]),
    ({"positive": "yes"}, ["yes", "no", "maybe"], [1.0, 0.0, 0.0]),
    ({"positive": "yes", "negative": "no"}, ["yes", "no", "maybe"], [1.0, 0.0]),
    ({"positive": "2", "negative": "1"}, [2, 1.0, "2.0", 3], [1.0, 0.0, 1.0]),
    ({}, [2, 0.5, -1, "yes", 0], [0.0]),
]


@pytest.mark.parametrize(("keys", "labels", "expected"), LABELS)
def test_labels_of_a_binary_task_are_0_or_1(
    tmp_path: Path, keys: dict[str, str], labels: list[Any], expected: list[float]
) -> None:
    """A key names the positive one; what is neither is set aside, not counted as something."""
    jsonl_of(tmp_path, *({"id": str(i), "time": GOOD["time"], "label": label} for i, label in enumerate(labels)))
    result = decoded(tmp_path, SCHEMA.model_copy(update=keys), "labels")

    assert (expected, len(labels) - len(expected)) == (result.table["label"].to_pylist(), len(result.rejects))


# CSV: what one line holds costs that line.


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    """A spreadsheet's CSV, and JSON Lines, read like any other."""
    csv_of(tmp_path, "a,2024-01-01,1,red,0.5")
    jsonl_of(tmp_path, GOOD)
    for path in tmp_path.iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    assert (["a", "a"], ()) == ((result := decoded(tmp_path)).table["id"].to_pylist(), result.rejects)


def test_utf_16_is_told_by_name(tmp_path: Path) -> None:
    """No line of such a file can be told from another by its bytes: one reject for the file, with the cause."""
    for name in ("e.csv", "f.jsonl"):
        (tmp_path / name).write_bytes(f"{HEAD}\na,2024-01-01,1,red,0.5\n".encode("utf-16"))

    assert [(0, True)] * 2 == [(r.line, "UTF-16" in r.reason) for r in decoded(tmp_path).rejects]


BROKEN: dict[str, bytes] = {
    "an open quote": b'b,2024-01-01,1,"red,0.5',
    "one byte of latin-1": b"b,2024-01-01,1,caf\xe9,0.5",
    "a half-written line": b"b,2024-01",
    "more columns": b"b,2024-01-01,1,red,0.5,7",
    "a carriage return inside": b"b,2024-01-01,1,r\red,0.5",
}


@pytest.mark.parametrize("at", [0, 500, 999])
@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN)
def test_a_broken_csv_line_costs_itself_only(tmp_path: Path, line: bytes, at: int) -> None:
    """Wherever it stands among blank lines and records with quoted line ends, its number is right."""
    lines: list[bytes] = [f"{i},2024-01-01,1,red,0.5".encode() for i in range(999)]
    lines.insert(at, line)
    lines.insert(0, b"")
    lines.insert(0, b'first,2024-01-01,1,"two\nlines",0.5')
    result = decoded(csv_of(tmp_path, *lines))

    assert ["first", *map(str, range(999))] == result.table["id"].to_pylist()
    assert [(at + 5, line)] == [(letter.line, original(letter)) for letter in result.rejects]
    assert [2, 5 + (at == 0)] == result.lines[:2].tolist()


@pytest.mark.parametrize("lost", [2, 3, 4, 5])
@pytest.mark.parametrize("more", ["", ",7"])
def test_open_quotes_in_a_row_are_no_pairs(tmp_path: Path, lost: int, more: str) -> None:
    """Where a writer leaves the quotes of several lines open, each costs itself: no two become one record."""
    lines = [f"{i},2024-01-01,1,red,0.5" for i in range(9)]
    lines[4:4] = [f'x{i},2024-01-01,1,"r{i},0.5{more}' for i in range(lost)]
    result = decoded(csv_of(tmp_path, *lines))

    assert [str(i) for i in range(9)] == result.table["id"].to_pylist()
    assert [6 + i for i in range(lost)] == [letter.line for letter in result.rejects]


@pytest.mark.parametrize("size", [40, 97, 1000])
def test_chunks_do_not_cut_a_quoted_value(tmp_path: Path, size: int) -> None:
    """A record with line ends in it is in one chunk, and lines keep their numbers in the file."""
    csv_of(tmp_path, *(f'{i},2024-01-01,1,"a\n\nb",0.5' if i % 3 else f"{i},2024-01-01,1,c,0.5" for i in range(60)))
    parts = [decode.decode(SCHEMA, "predictions", c, now=NOW) for c in file_chunks.chunks(tmp_path / "e.csv", size)]

    assert ([], [str(i) for i in range(60)]) == (
        [r for p in parts for r in p.rejects], [i for p in parts for i in p.table["id"].to_pylist()]
    )  # fmt: skip
    lines = np.concatenate([part.lines for part in parts])
    assert [2, 3, 6, 9] == lines[:4].tolist()
    assert np.all(np.diff(lines) > 0)


def test_a_line_end_in_a_header_is_part_of_a_name(tmp_path: Path) -> None:
    """The columns after it are not null, and records begin after it."""
    (tmp_path / "e.csv").write_text('id,time,"x\n(cm)",x,c,prediction\na,2024-01-01,7,1,red,0.5\n')
    result = decoded(tmp_path)

    assert ([1.0], [3]) == (result.table["x"].to_pylist(), result.lines.tolist())


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_column_that_stands_twice_is_told(tmp_path: Path, suffix: str) -> None:
    """Which of the two is meant cannot be told: no format takes one of them in silence."""
    if suffix == "csv":
        (tmp_path / "e.csv").write_text("id,time,x,x,c,prediction\na,2024-01-01,1,2,red,0.5\n")
    elif suffix == "jsonl":
        jsonl_of(tmp_path, b'{"id": "a", "time": "2024-01-01", "x": 1, "x": 2, "c": "red", "prediction": 0.5}')
    else:
        arrays = [pa.array([value]) for value in ("a", "2024-01-01", 1.0, 2.0, "red", 0.5)]
        pq.write_table(
            pa.Table.from_arrays(arrays, ["id", "time", "x", "x", "c", "prediction"]), tmp_path / "e.parquet"
        )
    result = decoded(tmp_path)

    assert (0, 1) == (result.table.num_rows, len(result.rejects))
    assert "'x' stands twice" in result.rejects[0].reason


def test_the_dialect_of_a_csv_file_is_told_in_the_project_file(tmp_path: Path) -> None:
    """Delimiter, decimal comma, encoding and date format; a point in a number is then a mistake."""
    text = "id;time;x;c;prediction\na;31.01.2024 06:00;1,5;café;0,25\nb;31.01.2024 07:00;1.5;café;0,5\n"
    (tmp_path / "e.csv").write_bytes(text.encode("cp1252"))
    schema = SCHEMA.model_copy(update={"times": Times(format="%d.%m.%Y %H:%M")})
    result = decoded(tmp_path, schema, csv=CsvFormat(delimiter=";", decimal=",", encoding="cp1252"))

    assert [{"id": "a", "time": 1706680800000, "x": 1.5, "c": "café", "prediction": 0.25, "model_version": "v1"}] == (
        result.table.to_pylist()
    )
    assert ["x is not a number"] == [letter.reason for letter in result.rejects]


@pytest.mark.parametrize(("mark", "spelled"), [(";", "';'"), ("\t", r'"\t"'), ("|", "'|'")])
def test_another_delimiter_is_named(tmp_path: Path, mark: str, spelled: str) -> None:
    """A file whose header has none of the columns is told with the likely cause, and counts all of its lines."""
    (tmp_path / "e.csv").write_text((HEAD + "\n" + "a,2024-01-01,1,red,0.5\n" * 3).replace(",", mark))
    (letter,) = decoded(tmp_path).rejects

    assert f"delimiter: {spelled}" in letter.reason
    assert letter.records >= 3


UNITS = {"s": 1_704_067_200, "ms": 1_704_067_200_000, "us": 1_704_067_200_000_000, "ns": 1_704_067_200_000_000_000}


@pytest.mark.parametrize("kind", [int, float, str])
@pytest.mark.parametrize("written", UNITS)
@pytest.mark.parametrize("said", UNITS)
def test_units_of_time_are_told_apart(tmp_path: Path, said: str, written: str, kind: Callable[[int], Any]) -> None:
    """A time in the unit of the project file is taken; one in another is set aside, and the unit it fits is named."""
    schema = SCHEMA.model_copy(update={"times": Times(unit=said)})  # type: ignore[arg-type]
    result = decoded(jsonl_of(tmp_path, {**GOOD, "time": kind(UNITS[written])}), schema)

    if said == written:
        assert [UNITS["ms"]] == result.table["time"].to_pylist()
    else:
        assert [True] == [f"events.times.unit: {written}" in letter.reason for letter in result.rejects]


def test_fractions_of_a_second_are_kept(tmp_path: Path) -> None:
    """Seconds with a fraction are milliseconds, as a number and as text."""
    schema = SCHEMA.model_copy(update={"times": Times(unit="s")})
    result = decoded(jsonl_of(tmp_path, *({**GOOD, "time": t} for t in (1704067200.123, "1704067200.123"))), schema)

    assert [1_704_067_200_123] * 2 == result.table["time"].to_pylist()


@settings(deadline=None, max_examples=examples(300))
@given(times=st.lists(st.integers(0, 400 * DAY), min_size=4, max_size=60), wrong=st.integers(500, 50_000))
def test_one_event_of_the_future_moves_no_clock(times: list[int], wrong: int) -> None:
    """However far ahead, one or two events leave the clock where the others put it; three are believed."""
    newest = agreed_newest(np.array(times), 7 * DAY)
    far = wrong * DAY * 20

    assert newest <= max(times)
    assert agreed_newest(np.array([*times, far]), 7 * DAY) <= max(times)
    assert agreed_newest(np.array([*times, far, far + 1, far + 2]), 7 * DAY) == far + 2


@settings(deadline=None, max_examples=examples(200))
@given(text=st.text(max_size=30) | st.floats() | st.integers() | st.booleans())
def test_the_one_spelling_of_a_value_is_its_own(text: str | float) -> None:
    """Spelling it again changes nothing: what is written from decoded events decodes to the same."""
    try:
        str(text).encode()
    except UnicodeEncodeError:
        return
    once = spelling.canonical(text)

    assert once == spelling.canonical(once)
    assert once.isprintable() or not once.isascii()


FORMS: tuple[RecordFormat, ...] = ("json", "avro", "arrow")


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=examples(150))
@given(values=st.lists(st.binary(max_size=80) | st.just(json.dumps(GOOD).encode()) | st.none(), max_size=12))
def test_any_bytes_in_a_topic_are_rows_or_letters(form: RecordFormat, values: list[bytes | None]) -> None:
    """Each record of a batch is decoded or set aside: none is lost, none ends the batch."""
    batch = Records("t", form, [0] * len(values), list(range(len(values))), values)
    result = decode.decode_records(SCHEMA, "predictions", batch, now=NOW)

    seen = {int(i) for i in result.lines} | {letter.line for letter in result.rejects}
    assert set(range(len(values))) == seen


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
@settings(deadline=None, max_examples=examples(150))
@given(data=st.binary(max_size=200), at=st.integers(0, 120))
def test_any_bytes_in_a_file_are_rows_or_letters(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: bytes, at: int
) -> None:
    """A good file into which anything is written still decodes, and what is lost is told with a place."""
    folder = tmp_path_factory.mktemp("any")
    if suffix == "parquet":
        path = parquet_of(folder) / "e.parquet"
    else:
        path = (csv_of(folder, "a,2024-01-01,1,red,0.5") if suffix == "csv" else jsonl_of(folder, GOOD)) / f"e.{suffix}"
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + data + whole[at:])
    result = decoded(folder)

    assert result.table.num_rows + sum(letter.records for letter in result.rejects) >= 1
    assert all(letter.reason and letter.path for letter in result.rejects)
