"""Event decoding: from bytes of files and Kafka records to typed tables, with a dead letter for what cannot be read.

Batch, stream and training all decode here. A decoded table has the columns ``id`` (string), ``time`` (int64,
milliseconds since the epoch, UTC) and, for predictions, ``model_version`` (string), ``prediction`` and every feature;
for labels, ``label``. Numbers are float64, categories strings; null is missing. A record without id, time, version or
prediction, or with text where a number belongs, is rejected with file, line and reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from features.events import location, row_decoder
from features.events.column_decoder import Decoder, RecordPlace
from features.kafka import offset_ranges, records
from features.schema import LABEL, PREDICTION, EventSchema, FeatureKind, Role, Task
from features.values.untyped import Columns
from features.window import UTC

ID, TIME, VERSION = row_decoder.ID, row_decoder.TIME, row_decoder.VERSION
Decoded = row_decoder.Decoded


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
    return row_decoder.read(_decoder(schema, role, lambda line: (chunk.path, line), now), chunk)


def _decoder(schema: EventSchema, role: Role, place: RecordPlace, now: datetime | None) -> Decoder:
    return Decoder(schema, role, place, now or datetime.now(UTC), event_columns(schema, role))


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
    decoder = _decoder(schema, role, batch.place, now)
    return row_decoder.decode_all(decoder, records.read(batch, decoder.columns))


def join(schema: EventSchema, role: Role, parts: Sequence[Decoded]) -> Decoded:
    """Return the concatenation of *parts*, in their order."""
    return row_decoder.join(parts) if parts else Decoded(empty(schema, role), ())


def read_events(schema: EventSchema, role: Role, place: location.Place, *, now: datetime | None = None) -> Decoded:
    """Return every event of *place* (a source, a directory or a file), decoded; an empty place gives an empty table."""
    return join(schema, role, [decode(schema, role, part, now=now) for part in location.references(place)])


def empty(schema: EventSchema, role: Role) -> pa.Table:
    """Return a decoded table without rows."""
    return row_decoder.empty(event_columns(schema, role), version=bool(schema.version) and role == "predictions")
