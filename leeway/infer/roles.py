"""Infers the column of each role (id, time, prediction, ...): as the user says, else by name, else by content."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from features.errors import DataError, ProjectError
from features.schema import Task
from leeway.infer import feature_columns
from leeway.infer.time_columns import time_format
from leeway.project.validation_errors import did_you_mean

ROLES = ("id", "time", "prediction", "label", "label_time", "version")
"""The roles, in the order in which they are looked for."""
NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "event_id", "prediction_id", "request_id", "uuid", "guid", "key"),
    "time": ("time", "timestamp", "event_time", "ts", "datetime", "date", "created_at", "predicted_at", "zeit",
             "zeitpunkt", "zeitstempel", "datum"),
    "prediction": ("prediction", "y_pred_proba", "predicted_probability", "predicted_proba", "prediction_probability",
                   "pred_proba", "y_proba", "y_prob", "y_score", "predicted", "pred", "score", "probability", "proba",
                   "y_pred", "y_hat", "yhat", "forecast", "vorhersage", "prognose"),
    "label": ("label", "target", "y_true", "actual", "outcome", "truth", "ground_truth", "y", "class", "ziel",
              "ergebnis", "result"),
    "label_time": ("label_time", "known_at", "label_timestamp", "labelled_at", "labeled_at", "settled_at",
                   "resolved_at", "outcome_time", "label_date"),
    "version": ("model_version", "version", "modelversion", "model_ver", "model_id"),
}  # fmt: skip
_SHARED = {("label_time", "time")}
"""Roles of a column that another role may have as well, where no other column can: both times of a row may be one."""
_WORDS: Mapping[str, frozenset[str]] = {
    "id": frozenset({"id", "uuid", "guid", "nr", "no", "number", "key", "nummer"}),
    "time": frozenset({"time", "timestamp", "date", "datetime", "ts", "at"}),
    "prediction": frozenset({"prediction", "predicted", "pred", "proba", "yhat"}),
    "label": frozenset({"label", "target", "actual", "truth"}),
}
"""Words in a column's name that suggest a role, where no name is exactly one of `NAMES`."""
_OUTPUTS = (
    "y_pred",
    "y_prob",
    "y_hat",
    "yhat",
    "y_score",
    "pred_proba",
    "predicted_proba",
    "predicted_class",
    "proba_",
)
"""How the names of a model's outputs begin, beside that of its prediction."""
_OF_A_PREDICTION = frozenset({
    "raw", "class", "label", "proba", "prob", "probability", "logit", "rank", "low", "high", "lower", "upper", "std",
})  # fmt: skip
"""What follows the name of the prediction in those of other outputs; `forecast_temp` is an input."""
MAX_VERSIONS = 50
"""Distinct values up to which a column can be the model version."""
_MIN_SHARE = 0.9
"""Share of values that must be present, times or unique for a column to have a role."""


@dataclass(frozen=True)
class ColumnWishes:
    """What the user has set: columns by role, *refused* roles without a column, the task, the positive label.

    With *as_history* a log's predictions and versions are neither used nor features: its labels tell the task.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    task: Task | None = None
    positive: str | None = None
    refused: frozenset[str] = frozenset()
    as_history: bool = False

    @classmethod
    def of(cls, columns: Mapping[str, str | None], task: Task | None, positive: str | None) -> ColumnWishes:
        """Return the wishes of a command's options, of which those left out are None."""
        return cls({role: column for role, column in columns.items() if column is not None}, task, positive)


def find_columns(
    table: pa.Table, wishes: ColumnWishes, labels: pa.Table | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """Return role to column, and role to reason where the column's name does not say it.

    Label and label time are looked for in *labels*, where those are not in the same log; the id is then in both.

    Raises
    ------
    ProjectError
        A wish names no column.
    DataError
        *labels* has no id, label or time.
    """
    roles = [part for part in ROLES if part not in wishes.refused and (labels is None or not part.startswith("label"))]
    columns, because = _wished(table, wishes, roles), dict[str, str]()
    shared = None if labels is None else labels.column_names
    for part in roles:
        free = [name for name in table.column_names if name and name not in columns.values()]
        if part == "id" and shared is not None:
            free = [name for name in free if name in shared]
        shared_with = [column for role, column in columns.items() if (role, part) in _SHARED]
        found = itertools.chain(_candidates(part, table, free), _candidates(part, table, shared_with))
        if part not in columns and (best := next(found, None)):
            columns[part], reason = best
            because |= {part: reason} if reason else {}
    if "id" not in columns and "time" in columns and labels is None and _is_unique(table[columns["time"]]):
        columns["id"], because["id"] = columns["time"], "there is one row for each time, and no other id"
    if labels is not None and "id" in columns:
        columns |= _of_labels(labels, wishes, columns["id"])
    if "label" in columns:
        columns.setdefault("label_time", columns.get("time", "time"))
    else:
        columns.pop("label_time", None)
    return columns, because


def _wished(table: pa.Table, wishes: ColumnWishes, here: Iterable[str]) -> dict[str, str]:
    """Return the columns that the user has named for the roles *here*; ProjectError if the log does not have one."""
    columns = {part: column for part, column in wishes.columns.items() if part in here}
    for part, column in columns.items():
        if column not in table.column_names:
            guess = did_you_mean(column, table.column_names) or f"; its columns are {', '.join(table.column_names)}"
            msg = f"--{part.replace('_', '-')} names `{column}`, which is not a column of the log{guess}"
            raise ProjectError(msg, hint="write the column's name as it is in the log")
        if why := _unfit_reason(part, table[column]):
            msg = f"--{part.replace('_', '-')} names `{column}`, which cannot be it: {why}"
            raise DataError(msg, hint="name a column of numbers or text, or write this one as such")
    return columns


def _unfit_reason(part: str, column: pa.ChunkedArray) -> str:
    """Return why no value of a column could have the role *part*; empty where it could. Times are tried later."""
    if part in ("prediction", "label") and pa.types.is_temporal(column.type):
        return f"holds {column.type}, not numbers or text"
    return "" if part in ("time", "label_time") else feature_columns.no_value_reason(column)


def _of_labels(labels: pa.Table, wishes: ColumnWishes, key: str) -> dict[str, str]:
    """Return the columns of label and label time in *labels*, whose id is in column *key*."""
    columns = _wished(labels, wishes, ("label", "label_time"))
    free = [name for name in labels.column_names if name not in (key, *columns.values())]
    if "label_time" not in columns:
        times = itertools.chain(_candidates("label_time", labels, free), _candidates("time", labels, free))
        columns |= {} if (best := next(times, None)) is None else {"label_time": best[0]}
    free = [name for name in free if name not in columns.values()]
    if "label" not in columns:
        only = ((name, "") for name in free if len(free) == 1 and _is_answer(labels[name]))
        best = next(itertools.chain(_candidates("label", labels, free), only), None)
        columns |= {} if best is None else {"label": best[0]}
    for part, what in (("label_time", "the time when each label became known"), ("label", "the label")):
        if part not in columns:
            msg = f"no column of the label events looks like {what} among {', '.join(labels.column_names)}"
            raise DataError(msg, hint=f"--{part.replace('_', '-')} COLUMN names it")
    return columns


def other_outputs(names: Iterable[str], prediction: str) -> Iterator[str]:
    """Yield those *names* that a model's other outputs have: the class beside its probability, one for each class.

    >>> list(other_outputs(["y_pred_proba_low", "y_pred", "score_raw", "score_bureau", "age"], "score"))
    ['y_pred_proba_low', 'y_pred', 'score_raw']
    """
    for name in names:
        key = _key(name)
        rest = key.removeprefix(f"{_key(prediction)}_")
        if key.startswith(_OUTPUTS) or (rest != key and rest in _OF_A_PREDICTION):
            yield name


def _candidates(part: str, table: pa.Table, free: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the columns that can have the role *part*, best first, each with the reason if it is not its name."""
    fits = _FITS[part]
    named = {_key(name): name for name in reversed(free)}
    yield from ((named[n], "") for n in NAMES[part] if n in named and fits(table[named[n]]))
    hinted = (name for name in free if _hints(part, name, table[name].type) and not _is_another(part, name))
    yield from ((name, "") for name in hinted if fits(table[name]))
    yield from _by_content(part, table, free)


def _hints(part: str, name: str, kind: pa.DataType) -> bool:
    """Whether a word in *name* suggests the role *part*; for an id only the last word, of a number or a text."""
    words = _key(name).split("_")
    if part == "id":
        return words[-1] in _WORDS[part] and feature_columns.is_code(kind)
    return not _WORDS.get(part, frozenset()).isdisjoint(words)


def _is_another(part: str, name: str) -> bool:
    """Whether *name* is one of another role's names: `label_time` is not a label."""
    return any(_key(name) in names for other, names in NAMES.items() if other != part)


def _by_content(part: str, table: pa.Table, free: Iterable[str]) -> Iterator[tuple[str, str]]:
    if part == "time":
        yield from ((n, "its values are times") for n in free if not _is_another(part, n) and _is_time(table[n]))
    if part == "id":
        yield from ((n, "every row has its own value") for n in free if _is_unique_code(table[n]))


def _key(name: str) -> str:
    """Return a name in lower case with _ between its words.

    >>> _key("eventTime"), _key("Flight No."), _key("Y_True")
    ('event_time', 'flight_no', 'y_true')
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")


def _is_time(column: pa.ChunkedArray) -> bool:
    return column.null_count <= (1 - _MIN_SHARE) * len(column) and time_format(column) is not None


def _is_unique(column: pa.ChunkedArray) -> bool:
    return not column.null_count and feature_columns.distinct_values(column) == len(column)


def _is_id(column: pa.ChunkedArray) -> bool:
    """Whether a column can be an id: `_MIN_SHARE` of its values are present and unique; events may be repeated."""
    apart = feature_columns.distinct_values(column)
    return apart >= _MIN_SHARE * len(column) and column.null_count <= (1 - _MIN_SHARE) * len(column)


def _is_unique_code(column: pa.ChunkedArray) -> bool:
    """Whether a column of any name is an id: unique whole numbers or words, but no times."""
    if not _is_unique(column) or _is_time(column) or not feature_columns.is_code(column.type):
        return False
    return not feature_columns.is_text(column.type) or not any(" " in text for text in column.to_pylist())


def _is_answer(column: pa.ChunkedArray) -> bool:
    return not feature_columns.is_unsupported(column.type) and column.null_count < len(column) and not _is_time(column)


def _is_version(column: pa.ChunkedArray) -> bool:
    return (
        not column.null_count
        and feature_columns.is_code(column.type)
        and feature_columns.distinct_values(column) <= MAX_VERSIONS
    )


_FITS: Mapping[str, Callable[[pa.ChunkedArray], bool]] = {
    "id": _is_id, "time": _is_time, "prediction": _is_answer, "label": _is_answer, "label_time": _is_time,
    "version": _is_version,
}  # fmt: skip
