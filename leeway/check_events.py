"""What `leeway check` finds out about a model's events: files, columns, types, times, dull features, lost labels."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from features import codec, sources
from features.errors import DataError
from features.schema import LABEL, PREDICTION, Role, Task
from features.window import format_span, from_ms, to_ms
from leeway import sample
from leeway.checks import Check, Result
from leeway.explain import count, did_you_mean
from leeway.project import Model
from leeway.sample import Sample
from monitors import performance

MANY_SEGMENTS = 50
_YEAR_1990 = 631_152_000_000
_TOLERATED_LATE = 0.01


def events(model: Model) -> Iterator[Check]:
    """Yield the checks of both of the model's streams; those of a stream end at what makes the rest pointless."""
    predictions = yield from _stream(model, "predictions", Path(model.events.predictions.path))
    if predictions is not None:
        yield from _features(model, predictions)
        yield from _values(model, predictions, PREDICTION)
        yield from _baseline(model, predictions)
    if model.events.labels is None:
        yield Check(f"{model.name}: labels", "ok", "none declared: performance and label drift are not watched")
        return
    labels = yield from _stream(model, "labels", Path(model.events.labels.path))
    if labels is not None:
        yield from _values(model, labels, LABEL)
        if predictions is not None:
            yield from _match(model, predictions, labels)


Found = Generator[Check, None, Sample | None]


def _stream(model: Model, role: Role, source: Path) -> Found:
    """Yield the checks of one stream, and return its sample if it can be used."""
    name = f"{model.name}: {role}"
    try:
        listed = sources.list_files(source)
        files = [path for path in listed if path.stat().st_size]
        if empty := [path for path in listed if path not in files]:
            yield Check(name, "warning", f"{_some(empty)} {'are' if len(empty) > 1 else 'is'} empty")
        if not files:
            yield Check(name, *_no_files(role, source))
            return None
        lacking = list(_lacking_columns(model, role, files))
        yield from (Check(name, "error", message) for message in lacking)
        return None if lacking else (yield from _decoded(model, role, files))
    except DataError as error:
        yield Check(name, "error", f"{error.message}{'; ' + error.hint if error.hint else ''}")
        return None


def _no_files(role: Role, source: Path) -> tuple[Result, str]:
    endings = ", ".join(sources.FORMATS)
    if role == "labels":
        return "warning", f"{source} holds no events yet; outcomes are judged once labels arrive ({endings})"
    return "error", f"{source} holds no events; put files that end in {endings} there, or mend events.{role}.path"


def _lacking_columns(model: Model, role: Role, files: list[Path]) -> Iterator[str]:
    """Yield a sentence for each column that some file does not have."""
    heads = {path: sample.rows(path).column_names for path in files}
    for column, _ in codec.wanted(model.schema, role).values():
        without = [path for path, head in heads.items() if column not in head]
        if without:
            head = heads[without[0]]
            guess = did_you_mean(column, head) or f"; its columns are {', '.join(head) or '(none)'}"
            yield f"no column `{column}` in {_some(without)}{guess}"


def _decoded(model: Model, role: Role, files: list[Path]) -> Found:
    """Yield whether rows can be read and their times make sense; the sample, if any row can be used."""
    name, taken = f"{model.name}: {role}", sample.take(model.schema, role, files)
    rows, bad = taken.table.num_rows, taken.rejects
    scope = count(len(files), "file") if taken.complete else "the first files"
    if bad:
        share = f"{len(bad)} of {rows + len(bad)} rows are set aside"
        first = f"{Path(bad[0].path).name}:{bad[0].line}: {bad[0].reason}"
        yield Check(name, "warning" if rows else "error", f"{share}, first {first}")
    if not rows:
        yield Check(name, "error", f"no usable row in {scope}")
        return None
    start, end = (from_ms(value.as_py()) for value in pc.min_max(taken.table[codec.TIME]).values())
    yield Check(name, "ok", f"{count(rows, 'row')} in {scope}, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC")
    yield from _times(name, taken)
    return taken


def _times(name: str, taken: Sample) -> Iterator[Check]:
    if pc.max(taken.table[codec.TIME]).as_py() < _YEAR_1990:
        yield Check(
            name, "error", "times lie before 1990: numbers are read as milliseconds since the epoch, not seconds"
        )
    texts = [text for text in taken.times.to_pylist() if text]
    zoned = [text.endswith("Z") or text[-6:-5] in ("+", "-") or text.isdigit() for text in texts]
    if texts and not all(zoned):
        yield Check(name, "ok", f"times carry no zone ({texts[zoned.index(False)]}); they are read as UTC")


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


def _is_binary(value: float | str) -> bool:
    return performance.label_text(value) in ("0", "1")


def _baseline(model: Model, taken: Sample) -> Iterator[Check]:
    """Yield an error if the declared baseline period holds no prediction (told only when all of them were read)."""
    if model.baseline is None or not taken.complete:
        return
    times = taken.table[codec.TIME].to_numpy()
    inside = int(((times >= to_ms(model.baseline.start)) & (times < to_ms(model.baseline.end))).sum())
    period = f"{model.baseline.start:%Y-%m-%d} to {model.baseline.end:%Y-%m-%d}"
    if inside:
        yield Check(f"{model.name}: baseline", "ok", f"{inside} predictions from {period}")
    else:
        yield Check(f"{model.name}: baseline", "error", f"no prediction from {period}; choose a period that has some")


def _match(model: Model, predictions: Sample, labels: Sample) -> Iterator[Check]:
    """Yield whether labels find their predictions by id, and arrive within the declared delay."""
    name = f"{model.name}: labels"
    left = labels.table.select([codec.ID, codec.TIME]).rename_columns(["id", "known"])
    both = left.join(predictions.table.select([codec.ID, codec.TIME]), keys="id", join_type="inner")
    lost = labels.table.num_rows - both.num_rows
    if not both.num_rows:
        example = labels.table[codec.ID][0].as_py()
        message = f"no label matches a prediction by `{model.schema.columns.id}` (first label's id: {example!r})"
        yield Check(name, "warning", f"{message}: are they the same ids, and the same period?")
        return
    if lost > 0 and predictions.complete:
        yield Check(name, "warning", f"{lost} of {labels.table.num_rows} labels match no prediction by id")
    delay = both["known"].to_numpy() - both[codec.TIME].to_numpy()
    if early := int((delay < 0).sum()):
        yield Check(name, "warning", f"{early} labels are older than their prediction; is `columns.label_time` right?")
    late = float((delay > to_ms(model.schema.label_delay)).mean())
    usual = format_span(timedelta(minutes=max(0, math.ceil(np.quantile(delay, 0.99) / 60_000))))
    declared = format_span(model.schema.label_delay)
    if late > _TOLERATED_LATE:
        message = f"{late:.0%} arrive later than label_delay {declared} and will be left out; 99% arrive within {usual}"
        yield Check(name, "warning", message)
    else:
        yield Check(
            name, "ok", f"{both.num_rows} match a prediction; 99% arrive within {usual} (label_delay {declared})"
        )


def _some(paths: list[Path]) -> str:
    """Return the first path's name and how many more there are."""
    return paths[0].name + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
