"""What `leeway check` finds out about a model's events: files, columns, types, times, dull features, lost labels."""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Iterator
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features import codec, places, sources
from features.errors import BrokerError, DataError
from features.schema import LABEL, PREDICTION, Kind, Source, Task
from features.window import UTC, format_span, from_ms, to_ms
from leeway import looks
from leeway.checks import Check
from leeway.explain import count, did_you_mean
from leeway.looks import Look
from leeway.project import Model
from leeway.sample import Sample, Stream
from monitors import performance

MANY_SEGMENTS = 50
_YEAR_1990 = datetime(1990, 1, 1, tzinfo=UTC)
_ZONED = re.compile(r"(Z|[+-]\d{2}:?\d{2})$")
_TOLERATED_LATE = 0.01


def events(model: Model) -> Iterator[Check]:
    """Yield the checks of each of the model's streams; those of a stream end at what makes the rest pointless."""
    history = yield from _stream(model, "history", model.events.history)
    predictions = yield from _stream(model, "predictions", model.events.predictions)
    asked = [taken for taken in (history, predictions) if taken is not None]
    if asked:
        yield from _features(model, asked[-1])
        yield from _baseline(model, asked)
    if predictions is not None:
        yield from _values(model, predictions, PREDICTION)
    if model.events.labels is None:
        yield Check(f"{model.name}: labels", "ok", "none declared: performance and label drift are not watched")
    labels = yield from _stream(model, "labels", model.events.labels)
    if labels is not None:
        yield from _values(model, labels, LABEL)
        if asked:
            yield from _match(model, asked, labels)


Found = Generator[Check, None, Sample | None]


def _stream(model: Model, stream: Stream, source: Source | None) -> Found:
    """Yield the checks of one stream, and return its sample if it can be used."""
    if source is None:
        return None
    name, at_first = f"{model.name}: {stream}", stream == "predictions" and model.events.history is not None
    try:
        if at_first and source.path is not None and not places.directory(source).exists():
            yield _nothing(name, stream, source, may_come=True)
            return None
        look = looks.at(source, model.schema, stream)
        yield from _empty_files(name, source)
        if not look.names():
            yield _nothing(name, stream, source, may_come=at_first or stream == "labels")
            return None
        lacking = list(_lacking_columns(model, stream, look))
        yield from (Check(name, "error", message) for message in lacking)
        return None if lacking else (yield from _usable(model, stream, look))
    except (DataError, BrokerError) as error:
        yield Check(name, "error", f"{error.message}{'; ' + error.hint if error.hint else ''}")
        return None


def _empty_files(name: str, source: Source) -> Iterator[Check]:
    files = sources.list_files(places.directory(source)) if source.path is not None else []
    if empty := [path.name for path in files if not path.stat().st_size]:
        yield Check(name, "warning", f"{_some(empty)} {'are' if len(empty) > 1 else 'is'} empty")


def _nothing(name: str, stream: Stream, source: Source, *, may_come: bool) -> Check:
    endings = ", ".join(sources.FORMATS)
    if source.path is None:
        how = "they are read as they come" if may_come else f"`leeway produce --{stream} FOLDER` replays files into it"
    elif may_come:
        how = f"they are read as files appear ({endings})"
    else:
        return Check(
            name, "error", f"{source.path} holds no events; put {endings} files there, or mend events.{stream}.path"
        )
    return Check(name, "warning" if may_come else "error", f"{source.name} holds no events yet; {how}")


def _lacking_columns(model: Model, stream: Stream, look: Look) -> Iterator[str]:
    """Yield a sentence for each column that some file or topic does not have; JSON may leave a null out."""
    heads = look.heads()
    for column in _columns(model, stream):
        without = [name for name, head in heads.items() if column not in head]
        if len(without) < len(heads):
            without = [name for name in without if not look.optional(name)]
        if without:
            head = heads[without[0]]
            guess = did_you_mean(column, head) or f"; its columns are {', '.join(head) or '(none)'}"
            yield f"no column `{column}` in {_some(without)}{guess}"


def _columns(model: Model, stream: Stream) -> list[str]:
    c = model.schema.columns
    if stream == "history":
        return [c.id, c.time, *model.schema.features]
    return [column for column, _ in codec.wanted(model.schema, stream).values()]


def _usable(model: Model, stream: Stream, look: Look) -> Found:
    """Yield whether rows can be read and their times make sense; the sample, if any row can be used."""
    name, taken = f"{model.name}: {stream}", look.take(model.schema, stream)
    rows, bad, scope = taken.table.num_rows, taken.rejects, look.scope(taken)
    if bad:
        share = f"{len(bad)} of {rows + len(bad)} rows are set aside"
        first = f"{look.place(bad[0])}: {bad[0].reason}"
        yield Check(name, "warning" if rows else "error", f"{share}, first {first}")
    if not rows:
        yield Check(name, "error", f"no usable row in {scope}")
        return None
    start, end = (from_ms(value.as_py()) for value in pc.min_max(taken.table[codec.TIME]).values())
    yield Check(name, "ok", f"{count(rows, 'row')} in {scope}, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC")
    if end < _YEAR_1990:
        yield Check(name, "error", "times lie before 1990: numbers are milliseconds since the epoch, not seconds")
    if example := _without_zone(look.rows(), _columns(model, stream)[1]):
        yield Check(name, "ok", f"times carry no zone ({example}); they are read as UTC")
    return taken


def _without_zone(rows: pa.Table, column: str) -> str:
    """Return a time that does not say its zone, or nothing."""
    if column not in rows.column_names:  # in JSON, where the first rows have it not
        return ""
    times = rows[column]
    if pa.types.is_timestamp(times.type):
        return "" if times.type.tz else str(times[0])
    texts = map(str, times.drop_null().to_pylist() if pa.types.is_string(times.type) else [])
    return next((text for text in texts if not _ZONED.search(text)), "")


def _features(model: Model, taken: Sample) -> Iterator[Check]:
    """Yield a warning for each feature that can never tell anything, and for segments that are too many."""
    dull = 0
    for feature in model.schema.features:
        distinct = pc.count_distinct(taken.table[feature], mode="only_valid").as_py()
        if distinct < 2 and taken.table.num_rows > 1:
            dull += 1
            what = "is always null" if distinct == 0 else f"is always {_first_valid(taken, feature)}"
            yield Check(f"{model.name}: {feature}", "warning", f"{what}: drift in it cannot be seen; leave it out?")
        if feature in model.schema.segments and distinct > MANY_SEGMENTS:
            many = f"{distinct} segments are many: each needs rows of its own in every window"
            yield Check(f"{model.name}: {feature}", "warning", many)
    if not dull:
        yield Check(f"{model.name}: features", "ok", f"{count(len(model.schema.features), 'feature')}, none constant")


def _first_valid(taken: Sample, column: str) -> object:
    return taken.table[column].drop_null()[0].as_py()


def _values(model: Model, taken: Sample, column: str) -> Iterator[Check]:
    """Yield an error where a binary model's probabilities or labels are none, and a warning where ids repeat."""
    name = f"{model.name}: {'predictions' if column == PREDICTION else 'labels'}"
    distinct = pc.unique(taken.table[column].combine_chunks()).to_pylist()
    if model.schema.label_kind is Kind.CATEGORICAL and column != PREDICTION:
        distinct = [performance.label_text(value) for value in distinct]
    if model.schema.task is Task.BINARY:
        usable, what = (_is_probability, "probabilities") if column == PREDICTION else (_is_binary, "0 or 1")
        if odd := [value for value in distinct if not usable(value)]:
            yield Check(name, "error", f"{column}s of a binary model must be {what}, not {odd[0]!r}")
    if len(distinct) == 1 and taken.table.num_rows > 1:
        yield Check(name, "warning", f"every {column} is {distinct[0]!r}")
    ids = pc.count_distinct(taken.table[codec.ID]).as_py()
    if column == PREDICTION and ids < taken.table.num_rows:
        yield Check(name, "warning", f"{taken.table.num_rows - ids} rows repeat an id; each prediction needs its own")


def _is_probability(value: float) -> bool:
    return 0 <= value <= 1


def _is_binary(value: str) -> bool:
    return value in ("0", "1")


def _baseline(model: Model, asked: list[Sample]) -> Iterator[Check]:
    """Yield an error if the declared baseline period holds no event (told only when all of them were read)."""
    if model.baseline is None or not all(taken.complete for taken in asked):
        return
    start, end = to_ms(model.baseline.start), to_ms(model.baseline.end)
    times = np.concatenate([taken.table[codec.TIME].to_numpy() for taken in asked])
    inside = int(((times >= start) & (times < end)).sum())
    period = f"from {model.baseline.start:%Y-%m-%d} to {model.baseline.end:%Y-%m-%d}"
    if inside:
        yield Check(f"{model.name}: baseline", "ok", f"{count(inside, 'event')} {period}")
    else:
        yield Check(f"{model.name}: baseline", "error", f"no event {period}; choose a period that has some")


def _match(model: Model, asked: list[Sample], labels: Sample) -> Iterator[Check]:
    """Yield whether labels find their predictions by id, and arrive within the declared delay."""
    name, total = f"{model.name}: labels", labels.table.num_rows
    known = labels.table.select([codec.ID, codec.TIME]).rename_columns(["id", "known"])
    made = pa.concat_tables(taken.table.select([codec.ID, codec.TIME]) for taken in asked)
    both = known.join(made, keys="id", join_type="inner")
    if not both.num_rows:
        example = labels.table[codec.ID][0].as_py()
        message = f"no label matches a prediction by `{model.schema.columns.id}` (first label's id: {example!r})"
        yield Check(name, "warning", f"{message}: are they the same ids, and the same period?")
        return
    if both.num_rows < total and all(taken.complete for taken in asked):
        yield Check(name, "warning", f"{total - both.num_rows} of {total} labels match no prediction by id")
    yield from _delays(name, both["known"].to_numpy() - both[codec.TIME].to_numpy(), model.schema.label_delay)


def _delays(name: str, delays: npt.NDArray[np.int64], declared: timedelta) -> Iterator[Check]:
    """Yield whether labels, *delays* milliseconds after their predictions, come within the *declared* delay."""
    if early := int((delays < 0).sum()):
        yield Check(name, "warning", f"{early} labels are older than their prediction; is `columns.label_time` right?")
    late = float((delays > to_ms(declared)).mean())
    usual = format_span(timedelta(minutes=max(0, math.ceil(np.quantile(delays, 0.99) / 60_000))))
    limit = format_span(declared)
    if late > _TOLERATED_LATE:
        message = f"{late:.0%} arrive later than label_delay {limit} and will be left out; 99% arrive within {usual}"
        yield Check(name, "warning", message)
    else:
        yield Check(name, "ok", f"{len(delays)} match a prediction; 99% arrive within {usual} (label_delay {limit})")


def _some(names: list[str]) -> str:
    """Return the first name and how many more there are."""
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
