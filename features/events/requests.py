"""Prediction requests: events with id, time and features but no prediction, decoded like all others."""

from __future__ import annotations

import pyarrow as pa

from features.events import decode
from features.events.location import Place
from features.schema import PREDICTION, EventSchema, FeatureKind

VERSION = "unanswered"
"""Model version of events that have no prediction yet."""


def read_requests(schema: EventSchema, place: Place) -> decode.Decoded:
    """Return every event of *place* (a source, directory or file) as a predictions table whose predictions are null.

    A prediction or version that the events happen to contain is ignored.
    """
    return unanswered_predictions(schema, decode.read_events(schema, "requests", place))


def unanswered_predictions(schema: EventSchema, made: decode.Decoded) -> decode.Decoded:
    """Return decoded requests as a predictions table whose predictions are null."""
    kind = pa.float64() if schema.prediction_kind is FeatureKind.NUMERIC else pa.string()
    versions = pa.array([VERSION] * made.table.num_rows, pa.string())
    table = made.table.append_column(decode.VERSION, versions)
    table = table.append_column(PREDICTION, pa.nulls(made.table.num_rows, kind))
    order = decode.empty(schema.model_copy(update={"version": VERSION}), "predictions").column_names
    return decode.Decoded(table.select(order), made.rejects, made.lines)
