"""What `leeway check` tells of records that are set aside: how many, for which reasons, where, and what to do.

The decoder decides and gives the reason; nothing is judged here a second time. Where half of a stream or more is set
aside the check fails, as there is little left that would be watched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from features.events import decode
from features.schema import LABEL, PREDICTION, Source, Task
from features.values.untyped import Reject
from leeway import dead_letters
from leeway.check import files
from leeway.check.environment import Check
from leeway.check.event_source import EventSource
from leeway.check.sample import Sample, Stream
from leeway.infer import time_columns
from leeway.project.load import Model

SHOWN = 3
"""Reasons that are named; the others are counted."""
_FIXES = (
    ("columns where the header has", "a delimiter or a quote in a value wants quotes around it"),
    ("quote is not closed", "a quote inside a quoted value is written twice"),
    ("cannot be read as Parquet", "write it whole under a name with a leading dot, then rename it"),
    ("not JSON", "write one JSON object a line"),
    ("not a JSON object", "write one JSON object a line"),
    ("in the record", "rename or drop one"),
    ("list or record", "write one value a column"),
    ("half of a surrogate", "write text in UTF-8"),
    ("not UTF-8", "write text in UTF-8"),
    ("digits are lost", "write ids as text or as whole numbers"),
    ("as events.times says", "write ISO 8601, or set events.times.format or events.times.unit"),
    ("(events.times)", "mend the writer's clock, or set events.times.earliest and latest"),
    ("not a probability", "log the probability of label 1 as a share, or set task: regression"),
    ("not a finite number", "leave the label out until it is known"),
)
"""What to do, by words of the decoder's reason; the first that fits."""


def set_aside(model: Model, stream: Stream, origin: EventSource, sample: Sample) -> Iterator[Check]:
    """Yield how many of a stream's records are set aside and why; an error where they are half of it or more."""
    records_set_aside = number(sample.rejects)
    if not records_set_aside:
        return
    total, name = sample.table.num_rows + records_set_aside, f"{model.name}: {stream}"
    message = f"{records_set_aside} of {total} rows are set aside{_reasons(model, stream, origin, sample.rejects)}"
    yield Check(name, "error" if 2 * records_set_aside >= total else "warning", message)
    source: Source | None = getattr(model.events, stream)
    if source and (way := files.written_otherwise(source, sample.rejects)):
        yield Check(name, "warning", f"{way}: set it at events.{stream}")
    if way := _time_written(model, origin, sample.rejects):
        yield Check(name, "warning", way)
    for feature in model.schema.features:
        lost = number(reject for reject in sample.rejects if reject.column == feature)
        if 2 * lost >= total:
            what = f"{lost} of {total} rows are set aside because of it"
            advice = "declare it with the kind that its values have, mend the writer, or leave it out"
            yield Check(f"{model.name}: {feature}", "warning", f"{what}: {advice}")


def number(rejects: Iterable[Reject]) -> int:
    """Return how many records *rejects* stand for."""
    return sum(reject.records for reject in rejects)


def _reasons(model: Model, stream: Stream, origin: EventSource, rejects: Sequence[Reject]) -> str:
    groups: dict[tuple[str, str], list[Reject]] = {}
    for reject in rejects:
        groups.setdefault((reject.column, dead_letters.kind(reject.reason)), []).append(reject)
    ordered = sorted(groups.values(), key=lambda group: -number(group))
    examples = [f"first {origin.place(group[0])}: {_with_fix(model, stream, group[0])}" for group in ordered[:SHOWN]]
    if len(ordered) == 1:
        return f", {examples[0]}"
    parts = [f"{number(group)} ({text})" for group, text in zip(ordered, examples, strict=False)]
    if rest := ordered[SHOWN:]:
        parts.append(f"{sum(map(number, rest))} for {len(rest)} other reasons")
    return f": {', '.join(parts)}"


def _with_fix(model: Model, stream: Stream, reject: Reject) -> str:
    fix = _fix(model, stream, reject)
    return f"{reject.reason}; {fix}" if fix else reject.reason


def _fix(model: Model, stream: Stream, reject: Reject) -> str:
    """Return what to do about a reject, or nothing where its reason says so already."""
    reason = reject.reason
    if any(word in reason for word in ("set events.", "set `csv", "events.positive")):
        return ""
    if reason.endswith("is missing"):
        return _absent(reject.column, stream)
    if reason.startswith("no column"):
        return "events.columns.id names the column of the id"
    if reason.endswith("not a number"):
        return _no_number(model, reject.column)
    return next((fix for words, fix in _FIXES if words in reason), "")


def _no_number(model: Model, column: str) -> str:
    task = model.schema.task
    if column in model.schema.features:
        return "write plain numbers, like 12.3, or declare it categorical"
    if column == PREDICTION and task is Task.BINARY:
        return "log the probability of label 1, or name the classes with events.positive and events.negative"
    return f"write plain numbers, or set another task than {task.value}"


def _absent(column: str, stream: Stream) -> str:
    if column == decode.VERSION:
        return "log the version with each prediction, or set events.version for all"
    if column == LABEL:
        return "send a label event once the label is known"
    key = {decode.ID: "id", decode.TIME: "label_time" if stream == "labels" else "time"}.get(column, column)
    return f"every event needs one; events.columns.{key} names its column"


def _time_written(model: Model, origin: EventSource, rejects: Iterable[Reject]) -> str:
    """Return in which way set-aside times seem to be written, where that is another than the project file's."""
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
            return f"`{column}` looks as if it was written as {guess.format}: set events.times.format to it"
    return ""
