"""Guesses from a sample of events which column plays which part, and what is a feature of which kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from features.errors import DataError, NotEnoughData
from features.schema import FeatureKind, Task
from leeway.infer import feature_columns, prediction_columns, roles
from leeway.infer.roles import ColumnWishes
from leeway.infer.time_columns import TimeFormat, time_format


@dataclass(frozen=True)
class InferredColumns:
    """What a sample seems to be.

    *parts* maps a part to its column, *features* a column to (kind, remark), *left_out* a column to the reason.
    *positive* is the label that counts as 1, where 1 and true do not say so. *because* tells why a part or a value was
    chosen that has no name of its own.
    """

    columns: Mapping[str, str]
    task: Task
    features: Mapping[str, tuple[FeatureKind, str]]
    left_out: Mapping[str, str]
    time_format: TimeFormat
    positive: str | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_history(self) -> bool:
        """Whether there is no prediction yet: labelled events to train a first model on."""
        return "prediction" not in self.columns


def infer_columns(
    table: pa.Table, wishes: ColumnWishes | None = None, labels: pa.Table | None = None
) -> InferredColumns:
    """Return which column plays which part: as *wishes* say, else by name, else by content.

    *labels* are the first label events, where they are not in the same log.

    Raises:
        NotEnoughData: no rows.
        DataError: id, time or prediction cannot be found, or no feature is left.
        ProjectError: a wish names no column.
    """
    wishes = wishes or ColumnWishes()
    table = feature_columns.plain_columns(table)
    if not table.num_rows:
        msg = "the sample has no rows"
        raise NotEnoughData(msg, hint="take a file with at least a few hundred events")
    labels = None if labels is None else feature_columns.plain_columns(labels)
    parts, because = roles.find_columns(table, wishes, labels)
    _require_roles(parts, table)
    truth = prediction_columns.label_sample(table, parts, labels)
    features, left_out = _features(table, {parts[part] for part in parts if labels is None or part not in _LABELS})
    task = wishes.task or prediction_columns.infer_task(
        table[parts["prediction"]] if "prediction" in parts else None, truth, wishes
    )
    positive = prediction_columns.positive_label(truth, wishes) if task is Task.BINARY else None
    time_column = time_format(table[parts["time"]])
    if time_column is None:
        msg = f"{parts['time']} does not hold times"
        raise DataError(msg, hint=f"{_DESCRIPTIONS['time']}; --time names another column")
    return InferredColumns(parts, task, features, left_out, time_column, positive, because)


def _features(table: pa.Table, taken: set[str]) -> tuple[dict[str, tuple[FeatureKind, str]], dict[str, str]]:
    rest = [name for name in table.column_names if name not in taken]
    left_out = {name: why for name in rest if (why := feature_columns.reason_to_leave_out(name, table[name]))}
    features = {name: feature_columns.feature_kind(table[name]) for name in rest if name not in left_out}
    if not features:
        msg = "no column is left to be a feature"
        why = "; ".join(f"{name}: {reason}" for name, reason in left_out.items()) or "the events hold nothing else"
        raise DataError(msg, hint=f"the events must hold the model's inputs beside id, time and prediction ({why})")
    return features, left_out


_LABELS = ("label", "label_time")
_DESCRIPTIONS = {
    "id": "a value that is different in every row and joins a label to its prediction, such as a request's number",
    "time": "ISO 8601 text, another date, a timestamp, or a number since the epoch",
    "prediction": "the model's answer",
}


def _require_roles(parts: Mapping[str, str], table: pa.Table) -> None:
    """Raise DataError that names what is needed, how to say which column it is, and what to log where there is none."""
    for part in _absent(parts):
        others = ", ".join(table.column_names)
        msg = f"no column looks like the {part} among {others}"
        hint = f"--{part} COLUMN names it: {_DESCRIPTIONS[part]}"
        if part == "id":
            hint += "; if there is none, --number-rows makes a copy of the log with one"
        if part == "prediction":
            hint += "; or --label COLUMN names the truth: a labelled log is enough to train a first model on"
        raise DataError(msg, hint=hint)


def _absent(parts: Mapping[str, str]) -> Iterator[str]:
    yield from (part for part in ("id", "time") if part not in parts)
    if "prediction" not in parts and "label" not in parts:
        yield "prediction"
