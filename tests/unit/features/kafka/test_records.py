"""Kafka records: JSON, Avro and Arrow records decode to the same table as files with the same events."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import errors
from features.conventions import Times
from features.events import decode
from features.kafka import avro
from features.kafka.records import Records
from features.schema import EventSchema, FeatureKind, Source, Task
from features.topic import RecordFormat
from features.window import from_ms
from tests.support.example_counts import examples

SCHEMA = EventSchema(
    model="m", task=Task.BINARY, features={"x": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL},
    times=Times(earliest=from_ms(0), latest=from_ms(2**45 + 1)),
)  # fmt: skip
ROWS = [
    {"id": "a", "time": 1704067200000, "model_version": "v1", "x": 1.5, "c": "red", "prediction": 0.25},
    {"id": "b", "time": 1704067201000, "model_version": "v1", "x": None, "c": None, "prediction": 1.0},
    {"id": "c", "time": 1704067202500, "model_version": "v2", "x": -2.0, "c": "blue", "prediction": 0.5},
]
Row = dict[str, Any]


def as_json(rows: Sequence[Row]) -> list[bytes]:
    """Return a JSON record an event."""
    return [json.dumps(row).encode() for row in rows]


def as_avro(rows: Sequence[Row]) -> list[bytes]:
    """Return a record an event, as another program that was given the schema writes them."""
    schema = fastavro.parse_schema(json.loads(avro.derive(decode.event_columns(SCHEMA, "predictions"))))
    out = []
    for row in rows:
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, schema, row)
        out.append(stream.getvalue())
    return out


def as_arrow(rows: Sequence[Row], batch: int = 2) -> list[bytes]:
    """Return a columnar record for every *batch* events, categories as dictionaries."""
    kinds = {"id": pa.string(), "time": pa.int64(), "model_version": pa.string(), "x": pa.float64(),
             "c": pa.dictionary(pa.int32(), pa.string()), "prediction": pa.float64()}  # fmt: skip
    out = []
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        table = pa.table({name: pa.array([row[name] for row in some], kind) for name, kind in kinds.items()})
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        out.append(sink.getvalue())
    return out


WRITERS: dict[RecordFormat, Callable[[Sequence[Row]], list[bytes]]] = {
    "json": as_json, "avro": as_avro, "arrow": as_arrow,
}  # fmt: skip


def batch(form: RecordFormat, values: Sequence[bytes | None], **changes: Any) -> Records:
    """Return *values* as records of partition 3, from offset 100 on."""
    n = len(values)
    return Records("t", form, [3] * n, list(range(100, 100 + n)), values, **changes)


def from_files(path: Path, rows: Sequence[Row]) -> pa.Table:
    """Return what a file of the same events decodes to."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return decode.read_events(SCHEMA, "predictions", path).table


_NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
_TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
_EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.uuids().map(str),
            "time": st.integers(0, 2**45),
            "model_version": st.sampled_from(["v1", "v2"]),
            "x": _NUMBERS,
            "c": _TEXTS,
            "prediction": st.floats(0, 1),
        }
    ),
    max_size=8,
)


@pytest.mark.parametrize("form", WRITERS)
@settings(deadline=None, max_examples=examples(60))
@given(rows=_EVENTS)
def test_records_decode_to_the_same_table_as_files(
    tmp_path_factory: pytest.TempPathFactory, form: RecordFormat, rows: list[Row]
) -> None:
    """Whatever the events are, the typed table is the same, to the last bit and in the same order."""
    decoded = decode.decode_records(SCHEMA, "predictions", batch(form, WRITERS[form](rows)))

    assert () == decoded.rejects
    assert from_files(tmp_path_factory.getbasetemp() / "same.jsonl", rows).equals(decoded.table)


@pytest.mark.parametrize("form", WRITERS)
def test_no_records_are_an_empty_table(form: RecordFormat) -> None:
    """An empty batch decodes to a table without rows, with every column."""
    decoded = decode.decode_records(SCHEMA, "predictions", batch(form, []))

    assert (0, ["id", "time", "model_version", "prediction", "x", "c"]) == (
        decoded.table.num_rows, decoded.table.column_names
    )  # fmt: skip


BAD = {
    b"not json at all": "not JSON",
    b"[1, 2]": "not a JSON object",
    b"": "the record has no value",
    b"   ": "not JSON",
    b"[" * 100_000: "not JSON",
    json.dumps({**ROWS[0], "x": "tall"}).encode(): "x is not a number",
    b'{"id": "\xff\xfe"}': "id is text that is not UTF-8",
    json.dumps(ROWS[0]).encode() * 2: "not JSON",
}


@pytest.mark.parametrize("at", [0, 60], ids=["first", "later"])
@pytest.mark.parametrize(("value", "reason"), BAD.items(), ids=range(len(BAD)))
def test_a_bad_record_is_named_by_partition_and_offset(value: bytes, reason: str, at: int) -> None:
    """Wherever it stands, it costs nothing but itself; its beginning is kept."""
    values = as_json([{**ROWS[0], "id": str(i)} for i in range(70)])
    decoded = decode.decode_records(SCHEMA, "predictions", batch("json", [*values[:at], value, *values[at:]]))

    (reject,) = decoded.rejects
    assert [str(i) for i in range(70)] == decoded.table["id"].to_pylist()
    assert ("t/3", 100 + at) == (reject.path, reject.line)
    assert reject.reason.startswith(reason)


def test_a_tombstone_is_a_reject() -> None:
    """A record without a value deletes a key in a compacted topic; it is no event."""
    decoded = decode.decode_records(SCHEMA, "predictions", batch("json", [None, *as_json(ROWS)]))

    assert [("t/3", 100, "the record has no value", "")] == [
        (r.path, r.line, r.reason, r.raw) for r in decoded.rejects
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["avro", "arrow"])
@settings(deadline=None, max_examples=examples(200))
@given(data=st.data())
def test_damaged_binary_records_are_set_aside(form: RecordFormat, data: st.DataObject) -> None:
    """Bytes changed, cut or added: either a table or a reject comes out, and the neighbours always do."""
    value = bytearray(WRITERS[form](ROWS[:1])[0])
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    hurt = bytes(value[: data.draw(st.integers(0, len(value)))])
    good = WRITERS[form]([{**ROWS[2], "id": "good"}])
    decoded = decode.decode_records(SCHEMA, "predictions", batch(form, [*good, hurt, *good]))

    assert 2 == decoded.table["id"].to_pylist().count("good")
    assert all(100 < reject.line < 102 for reject in decoded.rejects)


@pytest.mark.parametrize("form", ["avro", "arrow"])
def test_json_in_a_topic_that_is_declared_otherwise_is_told(form: RecordFormat) -> None:
    """The reason says what was expected, so that `format` can be mended."""
    decoded = decode.decode_records(SCHEMA, "predictions", batch(form, as_json(ROWS)))

    assert 3 == len(decoded.rejects)
    assert {"not Avro" if form == "avro" else "not an Arrow"} == {
        " ".join(r.reason.split()[: 2 if form == "avro" else 3]) for r in decoded.rejects
    }  # fmt: skip


def test_arrow_records_of_several_shapes_are_one_table() -> None:
    """Producers may send float32, other orders of columns, more columns or lack one: types are the project file's."""
    narrow = as_arrow(ROWS[:1])
    table = pa.table({"extra": [1], "c": [3], "id": ["d"], "time": [1704067200000], "model_version": ["v1"],
                      "prediction": pa.array([0.5], pa.float32())})  # fmt: skip
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    decoded = decode.decode_records(SCHEMA, "predictions", batch("arrow", [*narrow, sink.getvalue(), *narrow]))

    assert () == decoded.rejects
    assert [1.5, None, 1.5] == decoded.table["x"].to_pylist()
    assert ["red", "3", "red"] == decoded.table["c"].to_pylist()


def test_a_bad_row_of_a_columnar_record_is_named_by_the_record() -> None:
    """Only that row is set aside."""
    decoded = decode.decode_records(
        SCHEMA, "predictions", batch("arrow", as_arrow([*ROWS[:2], {**ROWS[2], "id": None}], batch=3))
    )

    assert ["a", "b"] == decoded.table["id"].to_pylist()
    assert [("t/3", 100, "id is missing")] == [(r.path, r.line, r.reason) for r in decoded.rejects]


def test_an_avro_schema_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    """Other fields, logical types and enums are read as JSON with the same values would be."""
    own = {
        "type": "record", "name": "Flight", "fields": [
            {"name": "id", "type": "long"},
            {"name": "when", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "version", "type": {"type": "enum", "name": "V", "symbols": ["v1", "v2"]}},
            {"name": "x", "type": "float"},
            {"name": "c", "type": ["null", "int", "string"]},
            {"name": "prediction", "type": "double"},
        ],
    }  # fmt: skip
    path = tmp_path / "flight.avsc"
    path.write_text(json.dumps(own))
    columns = SCHEMA.columns.model_copy(update={"time": "when", "version": "version"})
    schema = SCHEMA.model_copy(update={"columns": columns})
    rows = [{"id": 7, "when": 1704067200000000, "version": "v2", "x": 0.5, "c": 3, "prediction": 0.25},
            {"id": 8, "when": 1704067200001000, "version": "v1", "x": 0.5, "c": "red", "prediction": 0.5}]  # fmt: skip
    values = [avro.write(row, avro.parse(json.dumps(own))) for row in rows]
    decoded = decode.decode_records(schema, "predictions", batch("avro", values, avro_schema=str(path)))

    assert {
        "id": ["7", "8"], "time": [1704067200000, 1704067200001], "model_version": ["v2", "v1"],
        "prediction": [0.25, 0.5], "x": [0.5, 0.5], "c": ["3", "red"],
    } == decoded.table.to_pydict()  # fmt: skip


@pytest.mark.parametrize(("text", "message"), [("{", "not an Avro schema"), ('"string"', "must be a record")])
def test_a_bad_avro_schema_is_an_error_that_says_so(tmp_path: Path, text: str, message: str) -> None:
    """It is the project that is wrong then, not the records."""
    path = tmp_path / "bad.avsc"
    path.write_text(text)

    with pytest.raises(errors.DataError, match=message):
        decode.decode_records(SCHEMA, "predictions", batch("avro", [b"x"], avro_schema=str(path)))
    with pytest.raises(errors.DataError, match="avro_schema in the project file"):
        decode.decode_records(SCHEMA, "predictions", batch("avro", [b"x"], avro_schema=str(tmp_path / "no.avsc")))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "set one of `path`, `topic` and `table`"),
        ({"path": "events", "topic": "t"}, "set one of `path`, `topic` and `table`"),
        ({"path": "events", "format": "json"}, "`format` goes with `topic`"),
        ({"topic": "t", "avro_schema": "a.avsc"}, "`avro_schema` goes with `format: avro`"),
    ],
)
def test_a_source_is_a_directory_or_a_topic(keys: Row, message: str) -> None:
    """Keys that would not be looked at are refused."""
    with pytest.raises(ValueError, match=message):
        Source(**keys)
