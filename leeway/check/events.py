"""Checks of a model's event streams: files, columns, usable rows, times, values, periods.

Usable rows are those that the decoder accepts, so the check rejects for its values what a job rejects. A column of the
project file that is in no header is an error here, though a job reads such a feature as missing.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from features.errors import BrokerError, DataError
from features.events import decode, location
from features.files import file_chunks
from features.schema import Source
from features.values.timestamps import COUNT
from features.window import from_ms
from leeway.check import event_source, files, periods, rejects, values
from leeway.check.environment import Check
from leeway.check.event_source import EventSource
from leeway.check.files import first_and_rest
from leeway.check.sample import Sample, Stream
from leeway.project.load import Model
from leeway.project.validation_errors import count, did_you_mean

_ZONED = re.compile(r"(Z|[+-]\d{2}:?\d{2})$")
_COUNT = re.compile(COUNT)


def events(model: Model, baselines: Path | None = None) -> Iterator[Check]:
    """Yield the checks of each of the model's streams; a stream's end at an error that makes the rest pointless.

    *baselines* is the folder of the published baselines of all models; None before there are any.
    """
    history = yield from _stream(model, "history", model.events.history)
    prediction_sample = yield from _stream(model, "predictions", model.events.predictions)
    feature_samples = [taken for taken in (history, prediction_sample) if taken is not None]
    if feature_samples:
        yield from values.features(model, feature_samples[-1])
        yield from periods.baseline(model, feature_samples, prediction_sample)
    if prediction_sample is not None:
        yield from values.predictions(model, prediction_sample)
        yield from periods.versions(model, prediction_sample, baselines)
    if model.events.labels is None:
        yield Check(f"{model.name}: labels", "ok", "no labels declared: performance and label drift are not monitored")
    labels = yield from _stream(model, "labels", model.events.labels)
    if labels is not None:
        yield from values.labels(model, labels)
        if prediction_sample is not None:
            yield from values.class_names(model, prediction_sample, labels)
        if feature_samples:
            yield from periods.labels_match(model, feature_samples, labels)


StreamChecks = Generator[Check, None, Sample | None]


def _stream(model: Model, stream: Stream, source: Source | None) -> StreamChecks:
    """Yield the checks of one stream; return its sample, None if it cannot be used."""
    if source is None:
        return None
    name, before_first_prediction = (
        f"{model.name}: {stream}",
        stream == "predictions" and model.events.history is not None,
    )
    try:
        if before_first_prediction and source.path is not None and not location.directory(source).exists():
            yield _no_events_yet(name, stream, source, may_come=True)
            return None
        origin = event_source.open_source(source, model.schema, stream)
        yield from files.file_warnings(name, source, _columns(model, stream))
        if not origin.names():
            yield _no_events_yet(name, stream, source, may_come=before_first_prediction or stream == "labels")
            return None
        lacking = list(_lacking_columns(name, model, stream, origin))
        yield from lacking
        unusable = any(check.result == "error" for check in lacking)
        return None if unusable else (yield from _usable(model, stream, origin))
    except (DataError, BrokerError) as error:
        yield Check(name, "error", f"{error.message}{'; ' + error.hint if error.hint else ''}")
        return None


def _no_events_yet(name: str, stream: Stream, source: Source, *, may_come: bool) -> Check:
    """Return the check of a stream without events: a warning where they may come later, else an error."""
    endings = ", ".join(file_chunks.FORMATS)
    if source.path is None:
        how = (
            "events are read as they arrive"
            if may_come
            else f"`leeway produce --{stream} FOLDER` replays files into it"
        )
    elif may_come:
        how = f"events are read as files appear ({endings})"
    else:
        return Check(
            name, "error", f"{source.path} has no events; put {endings} files there, or correct events.{stream}.path"
        )
    return Check(name, "warning" if may_come else "error", f"{source.name} has no events yet; {how}")


def _lacking_columns(name: str, model: Model, stream: Stream, origin: EventSource) -> Iterator[Check]:
    """Yield an error for each column of the project file that a file or topic lacks; JSON may omit a null.

    It is a warning for a feature that is computed: a log that is older than its declaration can be trained on.
    """
    heads = origin.heads(model.schema.columns.id)
    for column in _columns(model, stream):
        without = [name for name, head in heads.items() if column not in head]
        if len(without) < len(heads):
            without = [name for name in without if not origin.optional(name)]
        what = f"no column `{column}` in {first_and_rest(without)}" if without else ""
        if without and column in model.facts.computed:
            yield Check(name, "warning", f"{what}: training sets have it computed, but {_NOT_LOGGED}")
        elif without:
            head = heads[without[0]]
            guess = did_you_mean(column, head) or f"; its columns are {', '.join(head) or '(none)'}"
            yield Check(name, "error", f"{what}{guess}")


_NOT_LOGGED = "monitors count it as missing there; predictions of `leeway serve`, `score` and `predict` have it"


def _columns(model: Model, stream: Stream) -> list[str]:
    c = model.schema.columns
    if stream == "history":
        return [c.id, c.time, *(name for name in model.schema.features if name not in model.facts.computed)]
    return [column for column, _ in decode.event_columns(model.schema, stream).values()]


def _usable(model: Model, stream: Stream, origin: EventSource) -> StreamChecks:
    """Yield the checks of rows and times; return the sample, None if no row is usable."""
    name, sample = f"{model.name}: {stream}", origin.take(model.schema, stream)
    rows, scope = sample.table.num_rows, origin.scope(sample)
    yield from rejects.rejected(model, stream, origin, sample)
    if stream == "labels":
        yield from values.positive_label(model, origin, sample)
    if not rows:
        yield Check(name, "error", f"no usable row in {scope}")
        return None
    start, end = (from_ms(value.as_py()) for value in pc.min_max(sample.table[decode.TIME]).values())
    yield Check(name, "ok", f"{count(rows, 'row')} in {scope}, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC")
    if example := _without_zone(origin.rows(), _columns(model, stream)[1]):
        yield Check(name, "ok", f"times have no time zone ({example}); they are read as UTC")
    return sample


def _without_zone(rows: pa.Table, column: str) -> str:
    """Return a time without a time zone; empty where there is none."""
    if column not in rows.column_names:  # in JSON, where the first rows do not have it
        return ""
    times = rows[column]
    if pa.types.is_timestamp(times.type):
        return "" if times.type.tz else "".join(map(str, times.drop_null()[:1]))
    texts = map(str, times.drop_null().to_pylist() if pa.types.is_string(times.type) else [])
    return next((text for text in texts if not _ZONED.search(text) and not _COUNT.fullmatch(text)), "")
