"""Infers the columns of a log from a sample: which column has which role, and which are features of which kind."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from features.errors import DataError, NoIdColumn, NotEnoughData
from features.schema import FeatureKind, Task
from leeway.infer import feature_columns, prediction_columns, roles
from leeway.infer.roles import ColumnWishes
from leeway.infer.time_columns import TimeFormat, time_format


@dataclass(frozen=True)
class InferredColumns:
    """The columns inferred from a sample.

    Parameters
    ----------
    columns
        Role to column.
    task
        The task that predictions and labels fit.
    features
        Column to (kind, remark for the user).
    left_out
        Column to the reason why it is no feature.
    time_format
        The times of the event time column, and how they are written.
    positive
        The label that counts as 1; None where labels are 0 and 1 or false and true.
    reasons
        Role to the reason for its column, where the column's name does not say it.
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
        """Whether there are no predictions: labelled events to train a first model on."""
        return "prediction" not in self.columns


def infer_columns(
    table: pa.Table, wishes: ColumnWishes | None = None, labels: pa.Table | None = None
) -> InferredColumns:
    """Return the columns of a log: as *wishes* say, else by name, else by content.

    Parameters
    ----------
    table
        A sample of the log.
    wishes
        What the user has named.
    labels
        The first label events, where labels are not in the same log.

    Raises
    ------
    NotEnoughData
        The sample has no rows.
    DataError
        Id, time or prediction cannot be found, or no feature is left.
    ProjectError
        A wish names no column.
    """
    wishes = wishes or ColumnWishes()
    table = feature_columns.plain_columns(table)
    if not table.num_rows:
        msg = "the sample has no rows"
        raise NotEnoughData(msg, hint="use a file with at least a few hundred events")
    labels = None if labels is None else feature_columns.plain_columns(labels)
    parts, because = roles.find_columns(table, wishes, labels)
    _require_roles(parts, table, _absent(parts, as_history=wishes.as_history))
    _require_plain_numbers(parts, table, labels, wishes)
    truth = prediction_columns.label_sample(table, parts, labels)
    outputs = list(roles.other_outputs(table.column_names, parts["prediction"])) if "prediction" in parts else []
    features, left_out = _features(
        table, {parts[part] for part in parts if labels is None or part not in _LABELS}, outputs
    )
    if wishes.as_history:
        parts = {part: column for part, column in parts.items() if part not in _ANSWERS}
    task = wishes.task or prediction_columns.infer_task(
        table[parts["prediction"]] if "prediction" in parts else None, truth, wishes
    )
    positive = prediction_columns.positive_label(truth, wishes) if task is Task.BINARY else None
    time_column = time_format(table[parts["time"]])
    if time_column is None:
        example = next((repr(value)[:40] for value in table[parts["time"]].to_pylist() if value is not None), "nothing")
        msg = f"{parts['time']} does not hold times, but for instance {example}"
        raise DataError(msg, hint=f"{_DESCRIPTIONS['time']}; --time names another column")
    return InferredColumns(parts, task, features, left_out, time_column, positive, because)


def _features(
    table: pa.Table, taken: set[str], outputs: Collection[str]
) -> tuple[dict[str, tuple[FeatureKind, str]], dict[str, str]]:
    """Return the features, and the reason why each other column is none; *outputs* are the model's, not its inputs."""
    rest = [name for name in table.column_names if name not in taken]
    left_out = {name: why for name in rest if (why := feature_columns.reason_to_leave_out(name, table[name]))}
    left_out |= {name: "by its name another output of the model" for name in rest if name in outputs}
    features = {name: feature_columns.feature_kind(table[name]) for name in rest if name not in left_out}
    if not features:
        msg = "no column can be a feature"
        why = "; ".join(f"{name}: {reason}" for name, reason in left_out.items()) or "the events have no other columns"
        raise DataError(msg, hint=f"the events must have the model's inputs besides id, time and prediction ({why})")
    return features, left_out


_LABELS = ("label", "label_time")
_ANSWERS = ("prediction", "version")
_DESCRIPTIONS = {
    "id": "a value that is different in every row and joins a label to its prediction, such as a request's number",
    "time": "ISO 8601 text, another date, a timestamp, or a number since the epoch; another spelling can be set in a "
    "project file, as events.times.format",
    "prediction": "the model's answer",
    "label": "what turned out to be true",
}


def _require_roles(parts: Mapping[str, str], table: pa.Table, absent: Iterable[str]) -> None:
    """Raise DataError if a required role is *absent*; the hint names the option that sets it."""
    for part in absent:
        others = ", ".join(table.column_names)
        msg = f"no column looks like the {part} among {others}"
        hint = f"--{part} COLUMN names it: {_DESCRIPTIONS[part]}"
        if part == "id":
            hint += "; if there is none, --number-rows copies the log with row numbers as ids"
            raise NoIdColumn(msg, hint=hint)
        which = _may_be_it(parts, table)
        if part == "label":
            hint += which
        if part == "prediction":
            hint += f"; or --label COLUMN names the label{which}: a labelled log is enough to train a first model"
        raise DataError(msg, hint=hint)


def _require_plain_numbers(
    parts: Mapping[str, str], table: pa.Table, labels: pa.Table | None, wishes: ColumnWishes
) -> None:
    """Raise DataError if predictions or labels are written like $1,234.50 or 12 %: they would be taken for classes."""
    if wishes.task is Task.MULTICLASS:
        return
    for part, own in (("prediction", table), ("label", table if labels is None else labels)):
        if part not in parts or (part == "prediction" and wishes.as_history):
            continue
        column = own[parts[part]]
        why = feature_columns.marked_reason(column)
        if why and feature_columns.distinct_values(column) > feature_columns.FEW_DISTINCT:
            msg = f"`{parts[part]}`, the {part}, holds {why.partition(':')[0]}"
            raise DataError(
                msg, hint="write them plainly, like 1234.5 or .12; --task multiclass takes them for classes"
            )


def _may_be_it(parts: Mapping[str, str], table: pa.Table) -> str:
    """Return the columns of two values in words, as one of them may be the label; the last ones, where it often is."""
    free = [name for name in table.column_names if name and name not in parts.values()]
    two = [name for name in free if feature_columns.distinct_values(table[name]) == 2]
    return f" (it may be {' or '.join(two[-3:])}, of two values)" if two else ""


def _absent(parts: Mapping[str, str], *, as_history: bool) -> Iterator[str]:
    yield from (part for part in ("id", "time") if part not in parts)
    if "label" not in parts and as_history:
        yield "label"
    elif "label" not in parts and "prediction" not in parts:
        yield "prediction"
