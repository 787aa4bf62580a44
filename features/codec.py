"""From bytes to typed columns, once for batch, stream and training: what cannot be read is set aside with its reason.

A decoded table has the columns ``id`` (string), ``time`` (int64, milliseconds since the epoch, UTC) and, for
predictions, ``model_version`` (string), ``prediction`` and every feature; for labels, ``label``. Numbers are float64,
categories strings; null is missing. A record without id, time, version or prediction, or with text where a number
belongs, is rejected with file, line and reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features import places, readers, records, topics
from features.schema import LABEL, PREDICTION, EventSchema, Kind, Role, Task

Mask = npt.NDArray[np.bool_]
ID, TIME, VERSION = "id", "time", "model_version"


@dataclass(frozen=True, slots=True)
class Decoded:
    """The usable records of a chunk as a typed table, and the others.

    *lines* holds where each row of the table was: its line in the file, or its record's place among Kafka records.
    """

    table: pa.Table
    rejects: tuple[readers.Reject, ...]
    lines: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64), compare=False)


def wanted(schema: EventSchema, role: Role) -> dict[str, tuple[str, Kind | None]]:
    """Return the output columns: name -> (column in the event, kind), kind being None for the time.

    Requests are predictions that nobody has made yet: id, time and features.
    """
    c = schema.columns
    if role == "labels":
        # A binary label is a number, 0 or 1, though it is counted by category.
        kind = Kind.CATEGORICAL if schema.task is Task.MULTICLASS else Kind.NUMERIC
        return {ID: (c.id, Kind.CATEGORICAL), TIME: (c.label_time, None), LABEL: (c.label, kind)}
    features = {name: (name, kind) for name, kind in schema.features.items()}
    if role == "requests":
        return {ID: (c.id, Kind.CATEGORICAL), TIME: (c.time, None), **features}
    version = {} if schema.version else {VERSION: (c.version, Kind.CATEGORICAL)}
    columns = {ID: (c.id, Kind.CATEGORICAL), TIME: (c.time, None), **version}
    return {**columns, PREDICTION: (c.prediction, schema.prediction_kind), **features}


def decode(schema: EventSchema, role: Role, chunk: places.Reference) -> Decoded:
    """Return the records of *chunk*, typed by *schema*.

    Raises:
        DataError: the file itself cannot be read (gone, not Parquet, no header).
        BrokerError: the topic cannot be read.
    """
    if isinstance(chunk, topics.Range):
        return decode_records(schema, role, topics.fetch(chunk))
    path = chunk.path
    raw = readers.read(chunk, [source for source, _ in wanted(schema, role).values()])
    return _decoded(schema, role, raw, lambda line: (path, line))


def decode_records(schema: EventSchema, role: Role, batch: records.Records) -> Decoded:
    """Return Kafka records, typed by *schema* as the same events in files would be; their order is kept.

    A reject's path is ``topic/partition`` and its line the offset.

    Raises:
        DataError: the Avro schema cannot be read.
    """
    raws = records.read(batch, wanted(schema, role))
    return join(schema, role, [_decoded(schema, role, raw, batch.place) for raw in raws])


def join(schema: EventSchema, role: Role, parts: Sequence[Decoded]) -> Decoded:
    """Return *parts* as one, in their order."""
    tables = [p.table for p in parts] or [empty(schema, role)]
    lines = np.concatenate([np.zeros(0, np.int64), *(p.lines for p in parts)])
    return Decoded(pa.concat_tables(tables).combine_chunks(), tuple(r for p in parts for r in p.rejects), lines)


def _decoded(schema: EventSchema, role: Role, raw: readers.Raw, place: Callable[[int], tuple[str, int]]) -> Decoded:
    typed, good = {}, np.ones(raw.table.num_rows, bool)
    columns, reasons = np.full((2, raw.table.num_rows), "", object)
    for name, (source, kind) in wanted(schema, role).items():
        required = name not in schema.features
        typed[name], bad, why = _typed(raw.table, source, kind, required=required)
        columns[bad & good], reasons[bad & good] = name, why
        good &= ~bad
    if schema.version and role == "predictions":
        typed[VERSION] = pa.array([schema.version] * raw.table.num_rows, pa.string())
    table = pa.table(typed)
    rejects = tuple(_reject(place, raw, table, int(i), (columns[i], reasons[i])) for i in np.flatnonzero(~good))
    return Decoded(table if good.all() else table.filter(pa.array(good)), raw.rejects + rejects, raw.lines[good])


def read_events(schema: EventSchema, role: Role, place: places.Place) -> Decoded:
    """Return every event of *place* (a source, a directory or a file), decoded; an empty one gives an empty table."""
    return join(schema, role, [decode(schema, role, reference) for reference in places.references(place)])


def empty(schema: EventSchema, role: Role) -> pa.Table:
    """Return a decoded table without rows."""
    arrow = {None: pa.int64(), Kind.NUMERIC: pa.float64(), Kind.CATEGORICAL: pa.string()}
    fields = [(name, arrow[kind]) for name, (_, kind) in wanted(schema, role).items()]
    version = [(VERSION, pa.string())] if schema.version and role == "predictions" else []
    return pa.schema([*fields, *version]).empty_table()


def _reject(
    place: Callable[[int], tuple[str, int]], raw: readers.Raw, typed: pa.Table, row: int, because: tuple[str, str]
) -> readers.Reject:
    column, reason = because
    text = json.dumps({k: str(v[0]) for k, v in raw.table.slice(row, 1).to_pydict().items()})
    version = typed[VERSION][row].as_py() if VERSION in typed.column_names else None
    return readers.Reject(
        *place(int(raw.lines[row])), reason, text[: readers.RAW_LIMIT], column, typed[TIME][row].as_py(), version or ""
    )


# Each converter returns the column and a mask of the values that do not fit.


def _typed(table: pa.Table, source: str, kind: Kind | None, *, required: bool) -> tuple[pa.Array, Mask, str]:
    column = table[source].combine_chunks() if source in table.column_names else pa.nulls(table.num_rows)
    if isinstance(column, pa.ChunkedArray):  # pyarrow gives one back for zero chunks
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    convert, what = _CONVERT[kind]
    values, bad = convert(column)
    if required:
        absent = values.is_null().to_numpy(zero_copy_only=False) & ~bad
        if absent.any():
            return (
                values,
                bad | absent,
                f"{source} is missing" if not bad.any() else f"{source} is missing or not {what}",
            )
    return values, bad, f"{source} is not {what}"


def _number(column: pa.Array) -> tuple[pa.Array, Mask]:
    if _is_text(column.type):
        return _parsed(column)
    if _is_number(column.type) or pa.types.is_boolean(column.type) or pa.types.is_null(column.type):
        plain = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
        return plain.cast(pa.float64(), safe=False), np.zeros(len(column), bool)
    return pa.nulls(len(column), pa.float64()), column.is_valid().to_numpy(zero_copy_only=False)


_TRUTH = {"true": 1.0, "false": 0.0, "True": 1.0, "False": 0.0}


def _parsed(column: pa.Array) -> tuple[pa.Array, Mask]:
    """Return the numbers that texts spell, to the last bit: a rounding of one in 2^53 would grow other trees."""
    try:
        return column.cast(pa.float64()), np.zeros(len(column), bool)
    except pa.ArrowInvalid:
        values = [None if text is None else _spelled(text) for text in column.to_pylist()]
        bad = np.array([isinstance(v, str) for v in values], bool)
        return pa.array([None if isinstance(v, str) else v for v in values], pa.float64()), bad


def _spelled(text: str) -> float | str:
    if text in _TRUTH:
        return _TRUTH[text]
    try:
        return float(text.replace("_", "?"))  # Python reads 1_000 as a number; nobody else does
    except ValueError:
        return text


def _text(column: pa.Array) -> tuple[pa.Array, Mask]:
    if pa.types.is_floating(column.type):
        texts = [None if v is None else readers.number_text(v) for v in column.to_pylist()]
        return pa.array(texts, pa.string()), np.zeros(len(column), bool)
    return column.cast(pa.string()), np.zeros(len(column), bool)


def _time(column: pa.Array) -> tuple[pa.Array, Mask]:
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()), np.zeros(len(column), bool)
    null = column.is_null().to_numpy(zero_copy_only=False)
    if _is_text(column.type):
        if (instants := _instants(column)) is not None:
            return instants, np.zeros(len(column), bool)
        texts = column.to_pandas()
        stamps = pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")
        ms = stamps.astype("datetime64[ms, UTC]").astype("int64").to_numpy().copy()
        digits = texts.str.fullmatch(r"-?\d{9,}").fillna(False).to_numpy(bool)  # milliseconds, written in a text format
        ms[digits] = texts[digits].astype("int64")
        bad = stamps.isna().to_numpy() & ~null & ~digits
        return pa.array(ms, pa.int64(), mask=null | bad), bad
    if _is_number(column.type):
        return column.cast(pa.int64(), safe=False), np.zeros(len(column), bool)
    return pa.nulls(len(column), pa.int64()), ~null


def _instants(texts: pa.Array) -> pa.Array | None:
    """Return the milliseconds of *texts* that are all written alike, with a zone or without; None if they are not.

    A fifth of the time that a look at each takes.
    """
    for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us")):
        try:
            micros = texts.cast(kind).cast(pa.int64())
        except pa.ArrowInvalid:
            continue
        there = micros.is_valid().to_numpy(zero_copy_only=False)
        return pa.array(micros.fill_null(0).to_numpy() // 1000, pa.int64(), mask=~there)
    return None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))


_Convert = Callable[[pa.Array], tuple[pa.Array, Mask]]
_CONVERT: dict[Kind | None, tuple[_Convert, str]] = {
    None: (_time, "a time (ISO 8601, or milliseconds since the epoch)"),
    Kind.NUMERIC: (_number, "a number"),
    Kind.CATEGORICAL: (_text, "text"),
}
