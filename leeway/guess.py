"""Guesses from a sample of events which column plays which part, and what is a feature of which kind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from features.errors import DataError, NotEnoughData
from features.schema import Kind, Task

FEW = 20  # distinct whole numbers up to this many may be codes rather than quantities
_MS = range(631_152_000_000, 4_102_444_800_000)  # 1990 to 2100 in milliseconds

NAMES = {
    "id": ("id", "event_id", "prediction_id", "request_id", "uuid", "key"),
    "time": ("time", "timestamp", "event_time", "ts", "datetime", "date", "created_at", "predicted_at"),
    "version": ("model_version", "version"),
    "prediction": ("prediction", "predicted", "pred", "score", "probability", "proba", "y_pred", "y_hat", "yhat"),
    "label": ("label", "target", "y_true", "actual", "outcome", "truth", "ground_truth", "y"),
}


@dataclass(frozen=True)
class Guess:
    """What a sample seems to be. *parts* maps a part to its column, *features* a column to (kind, remark)."""

    parts: Mapping[str, str]
    task: Task
    features: Mapping[str, tuple[Kind, str]]
    left_out: Mapping[str, str]


def guess(table: pa.Table, task: Task | None = None) -> Guess:
    """Return which column plays which part, by name first and by content where the name does not tell.

    Raises NotEnoughData for no rows, DataError where id, time or prediction cannot be found or no feature is left.
    """
    if not table.num_rows:
        msg = "the sample has no rows"
        raise NotEnoughData(msg, hint="take a file with at least a few hundred events")
    parts = dict(_parts(table))
    for part, like in _REQUIRED.items():
        if part not in parts:
            msg = f"no column looks like the {part} among {', '.join(table.column_names)}"
            raise DataError(msg, hint=f"{like}; call it `{part}`")
    rest = [name for name in table.column_names if name not in parts.values()]
    left_out = {name: why for name in rest if (why := _useless(table[name]))}
    features = {name: _feature(table[name]) for name in rest if name not in left_out}
    if not features:
        msg = "no column is left to be a feature"
        raise DataError(msg, hint="the prediction events must hold the model's inputs beside id, time and prediction")
    return Guess(parts, task or _task(table, parts), features, left_out)


_REQUIRED = {
    "id": "a value that is different in every row and joins a label to its prediction",
    "time": "ISO 8601 text, a timestamp, or milliseconds since the epoch",
    "prediction": "the model's answer",
}


def _parts(table: pa.Table) -> Iterator[tuple[str, str]]:
    taken: set[str] = set()
    lower = {name.lower(): name for name in reversed(table.column_names)}
    for part, names in NAMES.items():
        by_name = [lower[name] for name in names if name in lower and lower[name] not in taken]
        fitting = [
            name for name in [*by_name, *_by_content(part, table)] if name not in taken and _fits(part, table[name])
        ]
        if fitting:
            taken.add(fitting[0])
            yield part, fitting[0]


def _by_content(part: str, table: pa.Table) -> list[str]:
    if part == "id":
        return [name for name in table.column_names if name.lower().endswith("id")]
    return list(table.column_names) if part == "time" else []


def _fits(part: str, column: pa.ChunkedArray) -> bool:
    if part == "id":
        return not column.null_count and pc.count_distinct(column).as_py() == len(column)
    return _is_time(column) if part == "time" else not pa.types.is_nested(column.type)


def _is_time(column: pa.ChunkedArray) -> bool:
    kind, first = column.type, next((v for v in column.to_pylist() if v is not None), None)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return True
    if pa.types.is_integer(kind) and first is not None:
        return first in _MS
    return bool(_is_text(kind) and first and re.match(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}|$)", first))


def _useless(column: pa.ChunkedArray) -> str:
    """Return why *column* cannot be a feature, or nothing."""
    distinct = pc.count_distinct(column).as_py()
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        return f"holds {column.type}, not numbers or text"
    if _is_time(column):
        return "a time"
    if distinct < 2:
        return "never changes in the sample"
    if _is_text(column.type) and len(column) > FEW and distinct > len(column) / 2:
        return "nearly every row has its own value"
    return ""


def _feature(column: pa.ChunkedArray) -> tuple[Kind, str]:
    distinct = pc.count_distinct(column, mode="only_valid").as_py()
    if _is_text(column.type) or pa.types.is_boolean(column.type):
        return Kind.CATEGORICAL, f"{distinct} values"
    few = f"only {distinct} values; categorical if they are codes" if distinct <= FEW else ""
    return Kind.NUMERIC, few if pa.types.is_integer(column.type) else ""


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _task(table: pa.Table, parts: Mapping[str, str]) -> Task:
    prediction = table[parts["prediction"]]
    if _is_text(prediction.type):
        return Task.MULTICLASS
    low, high = (value.as_py() for value in pc.min_max(prediction).values())
    labels = {str(v).lower() for v in table[parts["label"]].to_pylist()} if "label" in parts else {"0", "1"}
    is_binary = labels <= {"0", "1", "0.0", "1.0", "true", "false", "none"} and low >= 0 and high <= 1
    return Task.BINARY if is_binary else Task.REGRESSION
