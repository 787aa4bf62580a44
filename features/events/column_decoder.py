"""Typed columns of an event: which type each has by schema and task, and which of its values cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from features.schema import LABEL, PREDICTION, EventSchema, FeatureKind, Role, Task
from features.values import arrow_columns, task_values, timestamps, typed_columns
from features.values.typed_columns import Typed
from features.values.untyped import Columns, Mask, UntypedRows

RecordPlace = Callable[[int], tuple[str, int]]
"""From a row's line to its place: path and line, or topic/partition and offset."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """How rows become events.

    Parameters
    ----------
    schema
        The model's event schema.
    role
        Whether the events are predictions, labels or requests.
    place
        From a row's line to its place.
    now
        The present, which event times are compared with.
    columns
        The columns to decode.
    finite
        Whether an infinite number is refused; a feature's infinite values are counted as such.
    """

    schema: EventSchema
    role: Role
    place: RecordPlace
    now: datetime
    columns: Columns
    finite: bool = False


def decode_column(
    decoder: Decoder, raw: UntypedRows, wanted: tuple[str, str, FeatureKind | None], *, exact: bool
) -> tuple[pa.Array, Mask, Callable[[int], str]]:
    """Return a typed column, the rows that cannot be used, (rows,), and a function from a row to the reason.

    Parameters
    ----------
    decoder
        The schema, role and time.
    raw
        The rows as they were read; a column that they lack is null.
    wanted
        (name in the decoded table, name in the event, kind); the time's kind is None.
    exact
        Whether floats of which digits are lost are refused, as in an id.
    """
    name, source, kind = wanted
    there = source in raw.table.column_names
    words = kind is FeatureKind.CATEGORICAL
    column = arrow_columns.basic(raw.table[source], words=words) if there else pa.nulls(raw.table.num_rows)
    if arrow_columns.is_bytes(column.type):
        column, no_text = arrow_columns.as_text(column)
        typed = _typed(decoder, (name, kind), column, raw.decimal, exact=exact).also(no_text, "not UTF-8")
    else:
        typed = _typed(decoder, (name, kind), column, raw.decimal, exact=exact)
    unfit, bad = raw.unfit.get(source, {}), typed.bad
    if unfit:
        bad = bad | np.isin(np.arange(len(bad)), list(unfit))
    if name in decoder.schema.features:
        return typed.values, bad, lambda row: unfit.get(row, typed.reason)
    absent = typed.values.is_null().to_numpy(zero_copy_only=False) & ~bad
    return typed.values, bad | absent, lambda row: "missing" if absent[row] else unfit.get(row, typed.reason)


def _typed(
    decoder: Decoder, wanted: tuple[str, FeatureKind | None], column: pa.Array, decimal: str, *, exact: bool
) -> Typed:
    """Return *column* with the type that the schema and the task give to this part of an event."""
    schema, (name, kind) = decoder.schema, wanted
    if kind is None:
        return timestamps.time(column, schema.times, decoder.now)
    if name == LABEL and schema.task is Task.BINARY:
        return task_values.label(column, schema.positive, schema.negative, schema.missing)
    if name == PREDICTION and schema.task is Task.BINARY:
        return task_values.scored(column, schema.positive, schema.negative, decimal)
    if kind is FeatureKind.CATEGORICAL:
        return typed_columns.text(column, schema.missing, exact=exact)
    typed = typed_columns.number(column, decimal, schema.missing)
    return task_values.finite(typed) if name == LABEL or decoder.finite else typed
