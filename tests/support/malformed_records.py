"""Seeded malformed records, close to valid ones, among valid ones whose ids start with ``good``."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.events import decode
from features.kafka import avro
from features.schema import EventSchema, FeatureKind, Task
from tests.support import odd_columns as columns

SCHEMA = EventSchema(model="m", task=Task.BINARY, features={"x": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL})
TIME = 1_704_067_200_000
COLUMNS = ("id", "time", "model_version", "x", "c", "prediction")
COLUMNS_BYTES = tuple(name.encode() for name in COLUMNS)
VALUES: tuple[bytes, ...] = (
    b"null", b"true", b"NaN", b"Infinity", b"-1e400", b"1e308", b"1e-320", b"-0.0", b"9223372036854775808", b"1" * 5000,
    b"17040672000000000000", b"1704067200", b"1704067200000000000", b"-62135596800001", b"253402300800000",
    b'"0000-01-01"', b'"9999-12-31T23:59:59.999999999Z"', b'"2024-02-30"', b'"2024-01-01T00:00:00+99:99"', b'"soon"',
    b'"\\ud83d"', b'"a\\ude00b"', b'"\\u0000\\u001f\\u001e"', b'"\\u202eabc"', b'"e\\u0301"', b'"caf\xe9"',
    b'"\xff\xfe"',    b'""', b'" "', b'"NA"', b'"' + b"long" * 20_000 + b'"', b"[]", b"[1, 2]", b'["a"]',
    b"{}", b'{"a": {"b": [1]}}',
    b"[" * 300 + b"]" * 300, b"[" * 10_000, b"1_000", b"0x10", b"'a'", b"1.7", b"-3", b'"1,5"', b'"12.3 kg"', b"01",
    b"9007199254740993.5", b'"\t"', b"\x00", b"", b"undefined", b'"1;2"', b'"a""b"', b'"a\nb"', b"1e",
    b"--1", b'"\x1b[2J"',
)  # fmt: skip
"""Values as JSON spells them, or as nobody should."""
Rng = random.Random


def event(number: int) -> dict[str, Any]:
    """Return a sound event."""
    return {"id": f"good{number}", "time": TIME + number * 1000, "model_version": "v1", "x": number % 97 / 7,
            "c": "abcd"[number % 4], "prediction": number % 11 / 10}  # fmt: skip


def cut(rng: Rng, data: bytes) -> bytes:
    """Return *data* without its end."""
    return data[: rng.randrange(max(len(data), 1))]


def splice(rng: Rng, data: bytes) -> bytes:
    """Return *data* with bytes of any kind in place of some."""
    at, size = rng.randrange(len(data) + 1), rng.randrange(6)
    return data[:at] + rng.randbytes(size) + data[at + rng.randrange(6) :]


def twice(rng: Rng, data: bytes) -> bytes:
    """Return *data* with a part of it repeated."""
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:b] + data[a:]


def coded(rng: Rng, data: bytes) -> bytes:
    """Return *data* in another encoding."""
    text = data.decode("utf-8", "replace")
    return text.encode(rng.choice(("utf-16", "utf-16-be", "utf-32", "utf-7", "utf-8-sig")))


SPOILED: tuple[Callable[[Rng, bytes], bytes], ...] = (cut, splice, twice, coded)


def json_record(rng: Rng, number: int, share: float) -> bytes:
    """Return an event as JSON; a *share* of them is malformed."""
    own = event(number)
    if rng.random() >= share:
        return json.dumps(own).encode()
    own["id"] = f"bad{number}"
    name = rng.choice(COLUMNS)
    how = rng.randrange(6)
    if how == 0:
        own.pop(name)
        return json.dumps(own).encode()
    if how == 1:
        return json.dumps(own).encode()[:-1] + b', "' + name.encode() + b'": ' + rng.choice(VALUES) + b"}"
    if how == 2:
        return rng.choice(SPOILED)(rng, json.dumps(own).encode())
    own[name] = "\0here"
    return json.dumps(own).encode().replace(b'"\\u0000here"', rng.choice(VALUES))


def json_line(rng: Rng, number: int, share: float) -> bytes:
    """Return an event as a line of JSON: none that is blank, since no record is in such a line."""
    line = json_record(rng, number, share).replace(b"\n", b" ").strip()
    return line or b"{"


def csv_line(rng: Rng, number: int, share: float) -> bytes:
    """Return an event as a line of CSV, or some lines where a value has line ends."""
    values = [str(value).encode() for value in event(number).values()]
    if rng.random() >= share:
        return b",".join(values)
    values[0] = f"bad{number}".encode()
    how = rng.randrange(7)
    if how == 0:
        values = values[: rng.randrange(1, len(values))] * rng.choice((1, 1, 1, 50))
    elif how == 1:
        values[rng.randrange(len(values))] = b'"open'
    elif how == 2:
        values[rng.randrange(len(values))] = b'"two\nlines"'
    elif how == 3:
        return rng.choice(SPOILED[:3])(rng, b",".join(values)).strip() or b"x"
    else:
        values[rng.randrange(len(values))] = rng.choice(VALUES)
    return b",".join(values).strip() or b"x"


@cache
def avro_plan() -> tuple[Any, Any]:
    """Return the schema that features give, and another one that a writer might have."""
    odd = [{"name": name, "type": kind} for name, kind in (
        ("id", "bytes"), ("time", "double"), ("model_version", "string"), ("x", {"type": "array", "items": "int"}),
        ("c", {"type": "map", "values": "string"}), ("prediction", "float"))]  # fmt: skip
    other = {"type": "record", "name": "Event", "fields": odd}
    return avro.parse(avro.derive(decode.event_columns(SCHEMA, "predictions"))), fastavro.parse_schema(other)


def avro_record(rng: Rng, number: int, share: float) -> bytes:
    """Return an event as plain Avro."""
    own, (plan, other) = event(number), avro_plan()
    if rng.random() >= share:
        return avro.write(own, plan)
    own["id"] = f"bad{number}"
    how = rng.randrange(4)
    if how == 0:
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, other, {**own, "id": b"\xff", "x": [1], "c": {"a": "b"}})
        return stream.getvalue()
    if how == 1:
        own.update(time=rng.choice((-(2**63), 2**63 - 1, 0, TIME * 1000)), x=rng.choice((float("nan"), 1e308)))
        return avro.write(own, plan)
    return rng.choice(SPOILED[:3])(rng, avro.write(own, plan))


def table(rng: Rng, number: int, share: float) -> pa.Table:
    """Return events as a table of any shape: columns of other types, absent ones and such as stand twice."""
    rows = [event(number + i) for i in range(rng.choice((0, 1, 2, 8, 40)))]
    made = pa.table({name: [row[name] for row in rows] for name in COLUMNS}) if rows else _empty()
    if rng.random() >= share:
        return made
    made = pa.table(
        {**{n: made[n] for n in COLUMNS}, "id": pa.array([f"bad{i}" for i in range(len(rows))], pa.string())}
    )
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(made.num_columns)
        kind = rng.randrange(8)
        if kind == 0 and made.num_columns > 1:
            made = made.remove_column(at)
        elif kind == 1:
            made = made.append_column(rng.choice(COLUMNS), made.column(at))
        else:
            made = made.set_column(at, made.column_names[at], _odd(rng, made.num_rows))
    return made


@cache
def _kinds() -> dict[str, pa.Array]:
    return columns.made()


def _odd(rng: Rng, rows: int) -> pa.Array:
    column = rng.choice(list(_kinds().values()))
    if rows <= 2:
        return column.slice(0, rows)
    try:
        return pa.concat_arrays([column] * (rows // 2 + 1)).slice(0, rows)
    except (pa.ArrowException, pa.ArrowNotImplementedError):
        return pa.nulls(rows)


def _empty() -> pa.Table:
    return pa.table({name: pa.array([event(0)[name]]) for name in COLUMNS}).slice(0, 0)


def arrow_record(rng: Rng, number: int, share: float) -> bytes:
    """Return events as an Arrow IPC stream."""
    data = None
    while data is None:
        data = _stream(table(rng, number, share), rng.choice((None, None, "lz4", "zstd")))
    if rng.random() >= share / 3:
        return data
    return spoil_good(rng, data)


def spoil_good(rng: Rng, data: bytes) -> bytes:
    """Return *data* with its bytes wrong in one place or more, and no sound event in it any more."""
    data = rng.choice(SPOILED[:3])(rng, data.replace(b"good", b"bad_"))
    for _ in range(rng.randrange(3)):
        if data:
            at = rng.randrange(len(data))
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
    return data.replace(b"good", b"bad_")


def _stream(made: pa.Table, compression: str | None) -> bytes | None:
    out = pa.BufferOutputStream()
    try:
        with pa.ipc.new_stream(out, made.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
            writer.write_table(made)
    except pa.ArrowException:  # Arrow has types that it cannot write
        return None
    return bytes(out.getvalue())


def parquet_file(rng: Rng, number: int, share: float) -> tuple[bytes, int]:
    """Return events as a Parquet file and how many rows are in it, -1 where its bytes are wrong."""
    data = None
    while data is None:
        made = table(rng, number, share)
        data = _parquet(made, rng)
    return (spoil_good(rng, data), -1) if rng.random() < share / 3 else (data, made.num_rows)


def _parquet(made: pa.Table, rng: Rng) -> bytes | None:
    out = pa.BufferOutputStream()
    try:
        pq.write_table(
            made, out, compression=rng.choice(("snappy", "zstd", "gzip", "none")),
            row_group_size=rng.choice((1, 7, 100)),
            use_dictionary=rng.random() < 0.5, store_schema=rng.random() < 0.7,
        )  # fmt: skip
    except (pa.ArrowException, ValueError, OSError):  # Parquet does not have all of Arrow's types
        return None
    return bytes(out.getvalue())


def many(make: Callable[[Rng, int, float], bytes], seed: Sequence[int], number: int, share: float) -> list[bytes]:
    """Return *number* records of one kind."""
    rng = random.Random(repr(tuple(seed)))
    return [make(rng, i, share) for i in range(number)]


def lines_of(data: Sequence[bytes]) -> np.ndarray:
    """Return the line, from 1, in which each of *data* starts where they stand after each other."""
    ends = np.array([value.count(b"\n") + 1 for value in data], np.int64)
    return np.concatenate([[0], np.cumsum(ends)[:-1]]) + 1
