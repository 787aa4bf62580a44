"""From bytes to typed columns, once for batch, stream and training: what cannot be read is set aside with its reason.

A decoded table has the columns ``id`` (string), ``time`` (int64, milliseconds since the epoch, UTC) and, for
predictions, ``model_version`` (string), ``prediction`` and every feature; for labels, ``label``. Numbers are float64,
categories strings; null is missing. A record without id, time, version or prediction, or with text where a number
belongs, is rejected with file, line and reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features import errors
from features.events import location
from features.files import readers
from features.kafka import offset_ranges, records
from features.schema import LABEL, PREDICTION, EventSchema, FeatureKind, Role, Task
from features.security import printable
from features.values import arrow_columns, task_values, timestamps, typed_columns
from features.values.typed_columns import Typed
from features.values.untyped import Columns, Mask, Reject, UntypedRows, reject
from features.window import UTC

_LOG = logging.getLogger("leeway.decode")
ID, TIME, VERSION = "id", "time", "model_version"
ATTEMPTS = 10_000
"""Parts of a chunk that may raise while they are decoded before the others are no longer cut in halves."""
MOST_LETTERS = 1 << 18
"""Dead letters of a chunk: the last stands for the others, since a small Parquet file may hold millions of records."""
Place = Callable[[int], tuple[str, int]]
"""From a row's line to where it was: path and line, or topic/partition and offset."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The usable records of a chunk as a typed table, and the others.

    *lines* holds where each row of the table was: its line in the file, or its record's place among Kafka records.
    """

    table: pa.Table
    rejects: tuple[Reject, ...]
    lines: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64), compare=False)


def wanted(schema: EventSchema, role: Role) -> Columns:
    """Return the output columns: name -> (column in the event, kind), kind being None for the time.

    Requests are predictions that nobody has made yet: id, time and features.
    """
    c = schema.columns
    if role == "labels":
        # A binary label is a number, 0 or 1, though it is counted by category.
        kind = FeatureKind.CATEGORICAL if schema.task is Task.MULTICLASS else FeatureKind.NUMERIC
        return {ID: (c.id, FeatureKind.CATEGORICAL), TIME: (c.label_time, None), LABEL: (c.label, kind)}
    features = {name: (name, kind) for name, kind in schema.features.items()}
    if role == "requests":
        return {ID: (c.id, FeatureKind.CATEGORICAL), TIME: (c.time, None), **features}
    version = {} if schema.version else {VERSION: (c.version, FeatureKind.CATEGORICAL)}
    columns = {ID: (c.id, FeatureKind.CATEGORICAL), TIME: (c.time, None), **version}
    return {**columns, PREDICTION: (c.prediction, schema.prediction_kind), **features}


def decode(schema: EventSchema, role: Role, chunk: location.Reference, *, now: datetime | None = None) -> Decoded:
    """Return the records of *chunk*, typed by *schema*; a file that cannot be read is one reject.

    *now* is the clock's present, from which events of the future are told; absent, it is asked.

    Raises:
        BrokerError: the topic cannot be read.
        DataError: the Avro schema of the topic cannot be read.
    """
    if isinstance(chunk, offset_ranges.Range):
        return decode_records(schema, role, offset_ranges.fetch(chunk), now=now)
    path = chunk.path
    try:
        raw = readers.read(chunk, wanted(schema, role), schema.missing)
    except errors.DataError as error:  # no record can be told from the others
        why = f"{error.message} ({error.hint})" if error.hint else error.message
        return Decoded(empty(schema, role), (reject((path, 0), why, b"", records=readers.count(chunk)),))
    except errors.LeewayError:
        raise
    except Exception as error:  # MemoryError too: the file asked for more than there is
        _LOG.warning("%s cannot be read", printable.visible(path), exc_info=error)
        why = f"cannot be read: {type(error).__name__}: {error}"
        return Decoded(empty(schema, role), (reject((path, 0), why, b"", records=readers.count(chunk)),))
    return _decoded(_Decoder(schema, role, lambda line: (path, line), now or datetime.now(UTC)), raw)


def decode_records(schema: EventSchema, role: Role, batch: records.Records, *, now: datetime | None = None) -> Decoded:
    """Return Kafka records, typed by *schema* as the same events in files would be; their order is kept.

    A reject's path is ``topic/partition`` and its line the offset. *now* as in :func:`decode`.

    Raises:
        DataError: the Avro schema cannot be read.
    """
    way = _Decoder(schema, role, batch.place, now or datetime.now(UTC))
    return join(schema, role, [_decoded(way, raw) for raw in records.read(batch, wanted(schema, role))])


def join(schema: EventSchema, role: Role, parts: Sequence[Decoded]) -> Decoded:
    """Return *parts* as one, in their order."""
    tables = [p.table for p in parts] or [empty(schema, role)]
    lines = np.concatenate([np.zeros(0, np.int64), *(p.lines for p in parts)])
    return Decoded(pa.concat_tables(tables).combine_chunks(), tuple(r for p in parts for r in p.rejects), lines)


@dataclass(frozen=True, slots=True)
class _Decoder:
    """How columns become events: by which schema, in which role, where a line is, and what time it is now."""

    schema: EventSchema
    role: Role
    place: Place
    now: datetime


def _decoded(way: _Decoder, raw: UntypedRows) -> Decoded:
    """Return *raw* typed; where that raises, in halves, so that what cannot be decoded costs its own record only.

    After :data:`ATTEMPTS` that raised, what raises is not halved any more: time is bounded too.
    """
    todo, done, failures = [raw], list[Decoded](), 0
    while todo:
        part = todo.pop()
        try:
            done.append(_at_once(way, part))
        except (errors.LeewayError, MemoryError):
            raise
        except Exception as error:  # whatever a record holds, it may end itself and nothing else
            failures += 1
            rows = part.table.num_rows
            if rows > 1 and failures < ATTEMPTS:
                todo += [part.part(slice(rows // 2, rows)), part.part(slice(0, rows // 2))]
            else:
                done.append(_lost(way, part, error))
    whole = done[0] if len(done) == 1 else join(way.schema, way.role, done)
    return replace(whole, rejects=raw.rejects + whole.rejects) if raw.rejects else whole


def _lost(way: _Decoder, raw: UntypedRows, error: Exception) -> Decoded:
    """Return the rows of *raw*, whose decoding ends in *error*, as dead letters."""
    _LOG.warning("a record could not be decoded", exc_info=error)
    why = f"cannot be decoded: {type(error).__name__}: {error}"
    lost = tuple(reject(way.place(int(line)), why, _original(raw, i)) for i, line in enumerate(raw.lines))
    return Decoded(empty(way.schema, way.role), lost)


def _at_once(way: _Decoder, raw: UntypedRows) -> Decoded:
    """Return *raw* typed; the first column, in the order of :func:`wanted`, that does not fit is a reject's.

    The letter that is the last of :data:`MOST_LETTERS` stands for all later records that a column costs.
    """
    rows, schema = raw.table.num_rows, way.schema
    typed: dict[str, pa.Array] = {}
    good, because, stands_for = np.ones(rows, bool), dict[int, tuple[str, str]](), dict[int, int]()
    for name, (source, kind) in wanted(schema, way.role).items():
        typed[name], bad, why = _column(way, raw, (name, source, kind))
        new = bad & good
        if new.any():
            lost = np.flatnonzero(new)
            apart = lost[: max(MOST_LETTERS - len(because), 1)]
            because |= {int(row): (name, f"{source} is {why(int(row))}") for row in apart}
            stands_for[int(apart[-1])] = 1 + len(lost) - len(apart)
            good &= ~bad
    if schema.version and way.role == "predictions":
        typed[VERSION] = pa.array([schema.version] * rows, pa.string())
    table = pa.table(typed)
    rejects = _letters(way, raw, table, because, stands_for)
    return Decoded(table if good.all() else table.filter(pa.array(good)), rejects, raw.lines[good])


def _column(
    way: _Decoder, raw: UntypedRows, wanted: tuple[str, str, FeatureKind | None]
) -> tuple[pa.Array, Mask, Callable[[int], str]]:
    """Return a typed column, which of its rows cannot be used, and the reason for a row."""
    name, source, kind = wanted
    there = source in raw.table.column_names
    words = kind is FeatureKind.CATEGORICAL
    column = arrow_columns.plain(raw.table[source], words=words) if there else pa.nulls(raw.table.num_rows)
    if arrow_columns.is_bytes(column.type):
        column, no_text = arrow_columns.as_text(column)
        typed = _typed(way, name, kind, column, raw.decimal).also(no_text, "not UTF-8")
    else:
        typed = _typed(way, name, kind, column, raw.decimal)
    unfit, bad = raw.unfit.get(source, {}), typed.bad
    if unfit:
        bad = bad | np.isin(np.arange(len(bad)), list(unfit))
    if name in way.schema.features:
        return typed.values, bad, lambda row: unfit.get(row, typed.reason)
    absent = typed.values.is_null().to_numpy(zero_copy_only=False) & ~bad
    return typed.values, bad | absent, lambda row: "missing" if absent[row] else unfit.get(row, typed.reason)


def _typed(way: _Decoder, name: str, kind: FeatureKind | None, column: pa.Array, decimal: str) -> Typed:
    """Return *column* as the part called *name* in an event, with what the task allows there."""
    schema = way.schema
    if kind is None:
        return timestamps.time(column, schema.times, way.now)
    if name == LABEL and schema.task is Task.BINARY:
        return task_values.label(column, schema.positive, schema.negative, schema.missing)
    if name == PREDICTION and schema.task is Task.BINARY:
        return task_values.scored(column, schema.positive, schema.negative, decimal)
    if kind is FeatureKind.CATEGORICAL:
        return typed_columns.text(column, schema.missing, exact=name == ID)
    typed = typed_columns.number(column, decimal, schema.missing)
    return task_values.finite(typed) if name == LABEL else typed


def _letters(
    way: _Decoder,
    raw: UntypedRows,
    typed: pa.Table,
    because: Mapping[int, tuple[str, str]],
    stands_for: Mapping[int, int],
) -> tuple[Reject, ...]:
    """Return the dead letters of the rows of *typed* that *because* names, with what could be read of them."""
    rows = sorted(because)
    if not rows:
        return ()
    known = typed.select([name for name in (TIME, VERSION) if name in typed.column_names]).take(pa.array(rows))
    times = known[TIME].to_pylist()
    versions = known[VERSION].to_pylist() if VERSION in known.column_names else [None] * len(rows)
    letters = list[Reject]()
    for row, time, version in zip(rows, times, versions, strict=True):
        column, reason = because[row]
        own = {"column": column, "time": time, "version": version or "", "records": stands_for.get(row, 1)}
        letters.append(reject(way.place(int(raw.lines[row])), reason, _original(raw, row), **own))
    return tuple(letters)


def _original(raw: UntypedRows, row: int) -> bytes:
    try:
        return raw.original(row)
    except Exception as error:  # what a record cannot be is no reason to lose that it was there
        return f"the record cannot be shown: {type(error).__name__}: {error}".encode("utf-8", "backslashreplace")


def read_events(schema: EventSchema, role: Role, place: location.Place, *, now: datetime | None = None) -> Decoded:
    """Return every event of *place* (a source, a directory or a file), decoded; an empty one gives an empty table."""
    return join(schema, role, [decode(schema, role, part, now=now) for part in location.references(place)])


def empty(schema: EventSchema, role: Role) -> pa.Table:
    """Return a decoded table without rows."""
    arrow = {None: pa.int64(), FeatureKind.NUMERIC: pa.float64(), FeatureKind.CATEGORICAL: pa.string()}
    fields = [(name, arrow[kind]) for name, (_, kind) in wanted(schema, role).items()]
    version = [(VERSION, pa.string())] if schema.version and role == "predictions" else []
    return pa.schema([*fields, *version]).empty_table()
