"""Checks of values: constant, id-like or trending features; predictions and labels of the wrong kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.events import decode
from features.schema import LABEL, PREDICTION, FeatureKind, Task
from features.values.untyped import records_of
from leeway.check.environment import Check
from leeway.check.event_source import EventSource
from leeway.check.files import listed
from leeway.check.sample import Sample
from leeway.infer import feature_columns, log_sample, prediction_columns
from leeway.infer.roles import ColumnWishes
from leeway.project.load import Model
from leeway.project.validation_errors import count
from monitors.profiles import outcome_counts

MANY_SEGMENTS = 50
"""Segments of one feature from which on there is a warning."""
TREND_RANK_CORRELATION = 0.99
"""Absolute rank correlation with the event time from which on a number counts as trending."""
MIN_ROWS_FOR_TREND = 100
"""Rows below which a trend is not looked for: a morning's rise is none."""


def features(model: Model, taken: Sample) -> Iterator[Check]:
    """Yield a warning for each feature that is constant or cannot be compared, and for too many segments.

    A feature that is computed where the log has no value, and has none anywhere, is not known to be constant.
    """
    odd = 0
    for feature in model.schema.features:
        distinct = pc.count_distinct(taken.table[feature], mode="only_valid").as_py()
        if distinct == 0 and feature in model.facts.computed:
            continue
        if remark := _remark(taken, feature, distinct):
            odd += 1
            yield Check(f"{model.name}: {feature}", "warning", remark)
        if feature in model.schema.segments and distinct > MANY_SEGMENTS:
            many = (
                f"{distinct} segments: each needs enough rows of its own in every window; segment by something coarser"
            )
            yield Check(f"{model.name}: {feature}", "warning", many)
    if not odd:
        yield Check(f"{model.name}: features", "ok", f"{count(len(model.schema.features), 'feature')}, none constant")


def _remark(taken: Sample, feature: str, distinct: int) -> str:
    """Return that a feature is constant, or why drift of it would always be found, with the fix; else empty."""
    column = taken.table[feature]
    if taken.table.num_rows < 2:
        return ""
    if distinct < 2:
        what = "is always null" if distinct == 0 else f"is always {column.drop_null()[0].as_py()}"
        return f"{what}: constant so far; a change will be reported. Leave it out if it cannot change"
    if distinct <= feature_columns.FEW_DISTINCT:
        return ""
    there = len(column) - column.null_count
    if (
        reason := feature_columns.reason_to_leave_out(feature, _whole(column.drop_null().slice(0, log_sample.ROWS)))
    ) == "a time":
        return f"looks like a time, so every window differs from the baseline; {_DERIVE}"
    if reason or (pa.types.is_string(column.type) and distinct > there / 2):
        return f"has {distinct} values in {count(there, 'row')}, like an id: {_NO_CATEGORY}"
    if _grows(column, taken.table[decode.TIME]):
        return f"rises or falls steadily with time, so every window differs from the baseline; {_DERIVE}"
    return ""


_DERIVE = "leave it out, or derive a feature from it (an hour, an age, a difference)"
_NO_CATEGORY = "values that do not recur cannot be compared; leave it out, or group its values"


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return numbers as integers where all are whole, as they were before decoding."""
    try:
        return column if pa.types.is_string(column.type) else column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column


def _grows(column: pa.ChunkedArray, times: pa.ChunkedArray) -> bool:
    """Return whether a number rises or falls with event time (`TREND_RANK_CORRELATION`)."""
    if pa.types.is_string(column.type):
        return False
    pair = pd.DataFrame({"x": column.to_numpy(), "t": times.to_numpy()}).dropna()
    pair = pair[np.isfinite(pair["x"])].rank()
    spread = pair.std()
    if len(pair) < MIN_ROWS_FOR_TREND or not (spread > 0).all():
        return False
    return bool(abs(np.corrcoef(pair["x"], pair["t"])[0, 1]) > TREND_RANK_CORRELATION)


def predictions(model: Model, taken: Sample) -> Iterator[Check]:
    """Yield a warning where predictions are constant, are classes in place of probabilities, or ids repeat."""
    name, table = f"{model.name}: predictions", taken.table
    distinct = pc.unique(table[PREDICTION].combine_chunks()).to_pylist()
    yield from _all_one(name, PREDICTION, distinct, table.num_rows)
    if model.schema.task is Task.BINARY and set(distinct) <= {0.0, 1.0} and table.num_rows > 1:
        yield Check(
            name, "warning",
            "every prediction is 0 or 1: these are classes, not probabilities. Calibration, log loss and estimated "
            "performance cannot be judged by them; log the probability of label 1 in "
            f"`{model.schema.columns.prediction}` (predict_proba instead of predict)",
        )  # fmt: skip
    ids = pc.count_distinct(table[decode.ID]).as_py()
    if ids < table.num_rows:
        yield Check(name, "warning", f"{table.num_rows - ids} rows repeat an id; each prediction needs a unique id")


def labels(model: Model, taken: Sample) -> Iterator[Check]:
    """Yield a warning where labels are constant, or an id has different labels."""
    name, table = f"{model.name}: labels", taken.table
    distinct = pc.unique(table[LABEL].combine_chunks()).to_pylist()
    if model.schema.label_kind is FeatureKind.CATEGORICAL:
        distinct = [outcome_counts.label_text(value) for value in distinct]
    yield from _all_one(name, LABEL, distinct, table.num_rows)
    pairs = table.select([decode.ID, LABEL]).group_by([decode.ID, LABEL]).aggregate([])
    several = pairs.group_by(decode.ID).aggregate([([], "count_all")])
    several = several.filter(pc.greater(several["count_all"], 1))
    if several.num_rows:
        first = several[decode.ID][0].as_py()
        what = f"{count(several.num_rows, 'id')} {'have' if several.num_rows > 1 else 'has'} different labels"
        yield Check(
            name, "warning",
            f"{what} (like {first!r}): the newest within label_delay counts; send each label once",
        )  # fmt: skip


def _all_one(name: str, column: str, distinct: list[object], rows: int) -> Iterator[Check]:
    if len(distinct) == 1 and rows > 1:
        constant = f"a constant says nothing about performance; is events.columns.{column} the right column?"
        yield Check(name, "warning", f"every {column} is {distinct[0]!r}: {constant}")


def positive_label(model: Model, origin: EventSource, taken: Sample) -> Iterator[Check]:
    """Yield what is wrong with `events.positive`, or how to set it where labels are other than 0 and 1."""
    schema, name = model.schema, f"{model.name}: labels"
    refused = records_of(reject for reject in taken.rejects if reject.column == LABEL)
    if schema.task is not Task.BINARY or (schema.positive is None and not refused):
        return
    as_classes = schema.model_copy(update={"task": Task.MULTICLASS, "positive": None, "negative": None})
    values = origin.take(as_classes, "labels").table[LABEL].to_pylist()
    spelled = sorted(set(values))
    if schema.positive is not None:
        yield from _named(name, schema.positive, schema.negative, spelled)
    elif odd := [value for value in spelled if value not in prediction_columns.BINARY_LABELS]:
        if 2 * refused >= len(values):
            yield Check(name, "error", f"labels are {listed(spelled)}: {_key(values)}")
        else:
            what = f"beside 0 and 1 there are labels {listed(odd)}"
            yield Check(
                name, "warning", f"{what}: correct the writer, or set events.positive if 0 and 1 are not the classes"
            )


def _named(name: str, positive: str, negative: str | None, spelled: list[str]) -> Iterator[Check]:
    """Yield what is wrong with `events.positive` and `events.negative`, given the labels in the events."""
    if positive not in spelled and spelled:
        near = [value for value in spelled if normalized_class(value) == normalized_class(positive)]
        what = f"no label is {positive!r} (events.positive); the labels are {listed(spelled)}"
        advice = f"set events.positive: {near[0]}" if near else "set it to the label that counts as 1"
        yield Check(name, "error", f"{what}: {advice}")
    elif negative is None and len(spelled) > 2:
        others = listed(value for value in spelled if value != positive)
        what = f"labels are {positive!r} and {len(spelled) - 1} others, all of which count as 0: {others}"
        yield Check(
            name, "warning", f"{what}; set events.negative to the one that counts as 0, then the others are set aside"
        )


def _key(values: list[str]) -> str:
    """Return the key of the project file to set for text labels, and its value."""
    classes = Counter(values)
    if len(classes) <= 2:
        sample = prediction_columns.LabelSample(values)
        return f"set events.positive: {prediction_columns.positive_label(sample, ColumnWishes())}"
    task = "regression" if all(_is_number(value) for value in classes) else "multiclass"
    return f"set events.positive to the label of 1 and events.negative to the label of 0, or task: {task}"


def class_names(model: Model, made: Sample, labels: Sample) -> Iterator[Check]:
    """Yield a warning where predicted classes and labels are spelled differently, so that none can match."""
    if model.schema.task is not Task.MULTICLASS:
        return
    predicted, true = (
        set(s.table[c].drop_null().unique().to_pylist()) for s, c in ((made, PREDICTION), (labels, LABEL))
    )
    if not predicted or not true:
        return
    near = {normalized_class(value): value for value in sorted(true - predicted)}
    alike = [
        (value, near[normalized_class(value)]) for value in sorted(predicted - true) if normalized_class(value) in near
    ]
    name = f"{model.name}: labels"
    both = f"{listed(sorted(predicted))} are predicted, {listed(sorted(true))} are labels"
    apart = f"no class is both predicted and a label: {both}"
    if alike:
        a, b = alike[0]
        never = "never occurs" if len(alike) == 1 else "never occur"
        what = (
            apart if not predicted & true else f"{len(alike)} of {len(predicted)} predicted classes {never} as a label"
        )
        yield Check(name, "warning", f"{what}; {a!r} and {b!r} differ only in case, blanks or zeros: write them alike")
    elif not predicted & true:
        yield Check(name, "warning", f"{apart}; log both with the same names")


def normalized_class(text: str) -> str | float:
    """Return a class name without case and blanks, numbers by their value, so that two spellings are equal.

    >>> normalized_class(" Red"), normalized_class("01"), normalized_class("1.50")
    ('red', 1.0, 1.5)
    """
    return float(text) if _is_number(text) else "".join(text.casefold().split())


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
