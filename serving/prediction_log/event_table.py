"""Predictions of some requests as one table of prediction events, the rows of the prediction log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pyarrow as pa

from features.events import decode, encode
from features.schema import PREDICTION, EventSchema, FeatureKind
from serving.requests.rows import Rows

DIGEST, PREDICTOR = encode.DIGEST, "leeway.predictor"
"""Columns of the log beside the event's own: the sha256 of the model file, and what computed the prediction."""
_KINDS = {FeatureKind.NUMERIC: pa.float64(), FeatureKind.CATEGORICAL: pa.string()}


@dataclass(frozen=True, slots=True)
class Made:
    """Predictions of some rows, and what made them."""

    rows: Rows
    predictions: Sequence[Any]
    version: str
    digest: str
    predictor: str


def events(schema: EventSchema, made: Sequence[Made], *, rest: Callable[[], None] = lambda: None) -> pa.Table:
    """Return predictions as prediction events, with the digest and the predictor beside them.

    Parameters
    ----------
    schema
        The model's events.
    made
        The predictions of some requests.
    rest
        Called before each feature. Columns are made under the interpreter's lock, for which a thread that answers
        requests would wait again and again, unless this one rests between.

    Raises
    ------
    ValueError, TypeError
        A request has not one prediction a row, or one of another type.
    """
    columns = {
        decode.ID: pa.array(_flat(each.rows.ids for each in made), pa.string()),
        decode.TIME: pa.array(_flat(each.rows.times for each in made), pa.int64()),
        decode.VERSION: _of_rows(made, [each.version for each in made]),
        PREDICTION: pa.array(_flat(each.predictions for each in made), _KINDS[schema.prediction_kind]),
    }
    for name, kind in schema.features.items():
        rest()
        columns[name] = pa.array(_flat(each.rows.features[name] for each in made), _KINDS[kind], from_pandas=True)
    table = encode.events(schema, "predictions", pa.table(columns))
    for name, of in ((DIGEST, "digest"), (PREDICTOR, "predictor")):
        if name not in table.column_names:
            table = table.append_column(name, _of_rows(made, [getattr(each, of) for each in made]))
    return table


def columns(schema: EventSchema) -> pa.Schema:
    """Return the columns of the log's rows: their names and types."""
    empty = Made(Rows({name: [] for name in schema.features}, [], [], 0), [], "", "", "")
    return events(schema, [empty]).schema


def _flat(parts: Iterable[Sequence[Any]]) -> list[Any]:
    return list(chain.from_iterable(parts))


def _of_rows(made: Sequence[Made], values: Sequence[str]) -> pa.Array:
    """Return a value of each request, repeated for each of its rows."""
    return pa.array(_flat([value] * len(each.rows) for each, value in zip(made, values, strict=True)), pa.string())
