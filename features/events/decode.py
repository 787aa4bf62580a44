"""Event decoding: from bytes of files and Kafka records to typed tables, with a dead letter for what cannot be read.

Batch, stream and training all decode here. A decoded table has the columns ``id`` (string), ``time`` (int64,
milliseconds since the epoch, UTC) and, for predictions, ``model_version`` (string), ``prediction`` and every feature;
for labels, ``label``. Numbers are float64, categories strings; null is missing. A record without id, time, version or
prediction, or with text where a number belongs, is rejected with file, line and reason.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features import errors
from features.events import column_decoder, location
from features.events.column_decoder import Decoder
from features.files import file_chunks, readers
from features.kafka import offset_ranges, records
from features.schema import LABEL, PREDICTION, EventSchema, FeatureKind, Role, Task
from features.security import printable
from features.values.untyped import Columns, Reject, UntypedRows, reject
from features.window import UTC

_LOG = logging.getLogger("leeway.decode")
ID = "id"
TIME = "time"
VERSION = "model_version"
MAX_FAILURES = 10_000
"""Parts of a chunk that may raise while they are decoded; after that many, a part that raises is no longer halved."""
MAX_DEAD_LETTERS = 1 << 18
"""Dead letters of a chunk; the last one stands for all others, as a small Parquet file may contain millions of
records."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The usable records of a chunk as a typed table, and the rejected ones.

    Parameters
    ----------
    table
        One row per usable record, with the columns of :func:`event_columns`.
    rejects
        The rejected records.
    lines
        The place of each row, (rows,): its line in the file (from 1), or its index among the Kafka records (from 0).
    """

    table: pa.Table
    rejects: tuple[Reject, ...]
    lines: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64), compare=False)


def event_columns(schema: EventSchema, role: Role) -> Columns:
    """Return the columns of a decoded table: name -> (column in the event, kind); the time's kind is None.

    The role ``requests`` has id, time and features only: predictions that have not been made yet.
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
    """Return the records of a chunk as a typed table; a file that cannot be read is one reject.

    Parameters
    ----------
    schema
        The model's event schema.
    role
        Whether the events are predictions, labels or requests.
    chunk
        A part of a file, or a range of offsets of a topic.
    now
        The present, from which event times in the future are recognised; by default the clock's.

    Raises
    ------
    BrokerError
        The topic cannot be read.
    DataError
        The topic's Avro schema cannot be read.
    """
    if isinstance(chunk, offset_ranges.Range):
        return decode_records(schema, role, offset_ranges.fetch(chunk), now=now)
    try:
        raw = readers.read(chunk, event_columns(schema, role), schema.missing)
    except errors.DataError as error:  # its records cannot be separated
        return _unreadable(schema, role, chunk, f"{error.message} ({error.hint})" if error.hint else error.message)
    except errors.LeewayError:
        raise
    except Exception as error:  # MemoryError too: the file asked for more than there is
        _LOG.warning("%s cannot be read", printable.visible(chunk.path), exc_info=error)
        return _unreadable(schema, role, chunk, f"cannot be read: {type(error).__name__}: {error}")
    return _decode_in_halves(Decoder(schema, role, lambda line: (chunk.path, line), now or datetime.now(UTC)), raw)


def _unreadable(schema: EventSchema, role: Role, chunk: file_chunks.Chunk, why: str) -> Decoded:
    return Decoded(empty(schema, role), (reject((chunk.path, 0), why, b"", records=readers.count(chunk)),))


def decode_records(schema: EventSchema, role: Role, batch: records.Records, *, now: datetime | None = None) -> Decoded:
    """Return Kafka records as a typed table, in their order; a reject's line is its offset.

    Parameters
    ----------
    schema
        The model's event schema.
    role
        Whether the events are predictions, labels or requests.
    batch
        The records.
    now
        As for :func:`decode`.

    Raises
    ------
    DataError
        The Avro schema cannot be read.
    """
    decoder = Decoder(schema, role, batch.place, now or datetime.now(UTC))
    return join(
        schema, role, [_decode_in_halves(decoder, raw) for raw in records.read(batch, event_columns(schema, role))]
    )


def join(schema: EventSchema, role: Role, parts: Sequence[Decoded]) -> Decoded:
    """Return the concatenation of *parts*, in their order."""
    tables = [p.table for p in parts] or [empty(schema, role)]
    lines = np.concatenate([np.zeros(0, np.int64), *(p.lines for p in parts)])
    return Decoded(pa.concat_tables(tables).combine_chunks(), tuple(r for p in parts for r in p.rejects), lines)


def _decode_in_halves(decoder: Decoder, raw: UntypedRows) -> Decoded:
    """Return the rows typed; where that raises, halve them, so that a record that cannot be decoded costs only itself.

    After :data:`MAX_FAILURES` failures a part that raises is rejected whole, which bounds the time.
    """
    todo, done, failures = [raw], list[Decoded](), 0
    while todo:
        part = todo.pop()
        try:
            done.append(_decode_rows(decoder, part))
        except (errors.LeewayError, MemoryError):
            raise
        except Exception as error:  # whatever a record holds, it may end itself and nothing else
            failures += 1
            rows = part.table.num_rows
            if rows > 1 and failures < MAX_FAILURES:
                todo += [part.part(slice(rows // 2, rows)), part.part(slice(0, rows // 2))]
            else:
                done.append(_undecodable(decoder, part, error))
    whole = done[0] if len(done) == 1 else join(decoder.schema, decoder.role, done)
    return replace(whole, rejects=raw.rejects + whole.rejects) if raw.rejects else whole


def _undecodable(decoder: Decoder, raw: UntypedRows, error: Exception) -> Decoded:
    """Return all rows as dead letters, with *error* as the reason."""
    _LOG.warning("a record could not be decoded", exc_info=error)
    why = f"cannot be decoded: {type(error).__name__}: {error}"
    lost = tuple(reject(decoder.place(int(line)), why, raw.original_bytes(i)) for i, line in enumerate(raw.lines))
    return Decoded(empty(decoder.schema, decoder.role), lost)


def _decode_rows(decoder: Decoder, raw: UntypedRows) -> Decoded:
    """Return the rows typed; a row is rejected for its first bad column, in the order of :func:`event_columns`.

    The last of :data:`MAX_DEAD_LETTERS` letters stands for all later records that the same column rejects.
    """
    rows, schema = raw.table.num_rows, decoder.schema
    typed: dict[str, pa.Array] = {}
    good, because, stands_for = np.ones(rows, bool), dict[int, tuple[str, str]](), dict[int, int]()
    for name, (source, kind) in event_columns(schema, decoder.role).items():
        typed[name], bad, why = column_decoder.decode_column(decoder, raw, (name, source, kind), exact=name == ID)
        new = bad & good
        if new.any():
            lost = np.flatnonzero(new)
            apart = lost[: max(MAX_DEAD_LETTERS - len(because), 1)]
            because |= {int(row): (name, f"{source} is {why(int(row))}") for row in apart}
            stands_for[int(apart[-1])] = 1 + len(lost) - len(apart)
            good &= ~bad
    if schema.version and decoder.role == "predictions":
        typed[VERSION] = pa.array([schema.version] * rows, pa.string())
    table = pa.table(typed)
    rejects = _dead_letters(decoder, raw, table, because, stands_for)
    return Decoded(table if good.all() else table.filter(pa.array(good)), rejects, raw.lines[good])


def _dead_letters(
    decoder: Decoder,
    raw: UntypedRows,
    typed: pa.Table,
    because: Mapping[int, tuple[str, str]],
    stands_for: Mapping[int, int],
) -> tuple[Reject, ...]:
    """Return the dead letters of rejected rows, with time and version where those could be read.

    Parameters
    ----------
    decoder
        The schema, role and places of the rows.
    raw
        The rows as they were read.
    typed
        The decoded table of all rows.
    because
        Rejected row -> (column, reason).
    stands_for
        Row -> number of records that its letter stands for, where that is more than one.
    """
    rows = sorted(because)
    if not rows:
        return ()
    origin = typed.select([name for name in (TIME, VERSION) if name in typed.column_names]).take(pa.array(rows))
    times = origin[TIME].to_pylist()
    versions = origin[VERSION].to_pylist() if VERSION in origin.column_names else [None] * len(rows)
    letters = list[Reject]()
    for row, time, version in zip(rows, times, versions, strict=True):
        column, reason = because[row]
        own = {"column": column, "time": time, "version": version or "", "records": stands_for.get(row, 1)}
        letters.append(reject(decoder.place(int(raw.lines[row])), reason, raw.original_bytes(row), **own))
    return tuple(letters)


def read_events(schema: EventSchema, role: Role, place: location.Place, *, now: datetime | None = None) -> Decoded:
    """Return every event of *place* (a source, a directory or a file), decoded; an empty place gives an empty table."""
    return join(schema, role, [decode(schema, role, part, now=now) for part in location.references(place)])


def empty(schema: EventSchema, role: Role) -> pa.Table:
    """Return a decoded table without rows."""
    arrow = {None: pa.int64(), FeatureKind.NUMERIC: pa.float64(), FeatureKind.CATEGORICAL: pa.string()}
    fields = [(name, arrow[kind]) for name, (_, kind) in event_columns(schema, role).items()]
    version = [(VERSION, pa.string())] if schema.version and role == "predictions" else []
    return pa.schema([*fields, *version]).empty_table()
