"""Checks of rejected records: how many a stream has, for which reasons, where, and how to fix each.

The decoder rejects records and gives the reason; the check adds the fix. It is an error where half of a stream or more
is rejected, as little is left to monitor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from features.events import decode
from features.schema import LABEL, PREDICTION, Source, Task
from features.values import untyped
from features.values.untyped import Reject
from leeway import dead_letters
from leeway.check import files
from leeway.check.environment import Check
from leeway.check.event_source import EventSource
from leeway.check.sample import Sample, Stream
from leeway.infer import time_columns
from leeway.project.load import Model

SHOWN = 3
"""Most reasons that a message names; the others are counted."""
_FIXES = (
    ("columns where the header has", "quote every value that contains a delimiter or a quote"),
    ("quote is not closed", "double a quote inside a quoted value"),
    ("cannot be read as Parquet", "write the file under a name with a leading dot, and rename it when it is complete"),
    ("not JSON", "write one JSON object a line"),
    ("not a JSON object", "write one JSON object a line"),
    ("in the record", "rename or drop one of the columns"),
    ("list or record", "write one value a column"),
    ("half of a surrogate", "write text in UTF-8"),
    ("not UTF-8", "write text in UTF-8"),
    ("digits are lost", "ids were read as floats; write them as text or as whole numbers"),
    ("as events.times says", "write ISO 8601, or set events.times.format or events.times.unit"),
    ("(events.times)", "correct the writer's clock, or set events.times.earliest and latest"),
    ("not a probability", "log the probability of label 1, between 0 and 1, or set task: regression"),
    ("not a finite number", "leave the label out until it is known"),
)
"""Fixes by a phrase of the decoder's reason; the first match is used."""


def rejected(model: Model, stream: Stream, origin: EventSource, sample: Sample) -> Iterator[Check]:
    """Yield how many of a stream's records are rejected and why; an error where they are half of it or more."""
    records_set_aside = untyped.records_of(sample.rejects)
    if not records_set_aside:
        return
    total, name = sample.table.num_rows + records_set_aside, f"{model.name}: {stream}"
    message = f"{records_set_aside} of {total} rows are set aside{_reasons(model, stream, origin, sample.rejects)}"
    yield Check(name, "error" if 2 * records_set_aside >= total else "warning", message)
    source: Source | None = getattr(model.events, stream)
    if source and (way := files.written_otherwise(source, sample.rejects)):
        yield Check(name, "warning", f"{way}: set that at events.{stream}")
    if way := _time_written(model, origin, sample.rejects):
        yield Check(name, "warning", way)
    for feature in model.schema.features:
        lost = untyped.records_of(reject for reject in sample.rejects if reject.column == feature)
        if 2 * lost >= total:
            what = f"{lost} of {total} rows are set aside because of its values"
            advice = "declare it numeric or categorical, as its values are, correct the writer, or leave it out"
            yield Check(f"{model.name}: {feature}", "warning", f"{what}: {advice}")


def _reasons(model: Model, stream: Stream, origin: EventSource, rejects: Sequence[Reject]) -> str:
    """Return the reasons of *rejects*, those of most records first, each with its first place and its fix."""
    groups = untyped.by_reason(rejects, lambda reject: (reject.column, dead_letters.kind(reject.reason)))
    examples = [
        f"first {origin.place(group.first)}: {_with_fix(model, stream, group.first)}" for group in groups[:SHOWN]
    ]
    if len(groups) == 1:
        return f", {examples[0]}"
    parts = [f"{group.records} ({text})" for group, text in zip(groups, examples, strict=False)]
    if rest := groups[SHOWN:]:
        parts.append(f"{sum(group.records for group in rest)} for {len(rest)} other reasons")
    return f": {', '.join(parts)}"


def _with_fix(model: Model, stream: Stream, reject: Reject) -> str:
    fix = _fix(model, stream, reject)
    return f"{reject.reason}; {fix}" if fix else reject.reason


def _fix(model: Model, stream: Stream, reject: Reject) -> str:
    """Return the fix of a reject; empty where its reason names it or there is none."""
    reason = reject.reason
    if any(word in reason for word in ("set events.", "set `csv", "events.positive")):
        return ""
    if reason.endswith("is missing"):
        return _missing_value_fix(reject.column, stream)
    if reason.startswith("no column"):
        return "set events.columns.id to the column of the id"
    if reason.endswith("not a number"):
        return _number_fix(model, reject.column)
    return next((fix for words, fix in _FIXES if words in reason), "")


def _number_fix(model: Model, column: str) -> str:
    task = model.schema.task
    if column in model.schema.features:
        return "write plain numbers, like 12.3, or declare it categorical"
    if column == PREDICTION and task is Task.BINARY:
        return "log the probability of label 1, or name the classes with events.positive and events.negative"
    return f"write plain numbers, or set another task than {task.value}"


def _missing_value_fix(column: str, stream: Stream) -> str:
    if column == decode.VERSION:
        return "log the version with each prediction, or set events.version for all"
    if column == LABEL:
        return "send a label event once the label is known"
    key = {decode.ID: "id", decode.TIME: "label_time" if stream == "labels" else "time"}.get(column, column)
    return f"every event needs one; events.columns.{key} sets its column"


def _time_written(model: Model, origin: EventSource, rejects: Iterable[Reject]) -> str:
    """Return the format in which rejected times seem to be written, where the project file has another; else empty."""
    columns, times = model.schema.columns, model.schema.times
    lost = [r for r in rejects if r.column == decode.TIME and "events.times" in r.reason and "unit:" not in r.reason]
    if not lost:
        return ""
    rows = origin.rows()
    for column in dict.fromkeys((columns.time, columns.label_time)):
        if column not in rows.column_names or pa.types.is_timestamp(rows[column].type):
            continue
        guess = time_columns.time_format(rows[column])
        if guess is not None and guess.format not in (None, times.format):
            return f"`{column}` seems to be written as {guess.format}: set events.times.format to that"
    return ""
