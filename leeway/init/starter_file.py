"""Writes a draft as a commented project file, and a trainer module where the user has none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from features.errors import ProjectError
from features.schema import Columns, FeatureKind, Task
from features.window import UTC, format_span
from leeway.infer import periods
from leeway.infer.roles import ColumnWishes
from leeway.init import draft
from leeway.init.draft import Draft
from leeway.init.starter_text import FEW_ROWS, HEAD, MEANING, MONITOR, RETRAIN, TRUST, comment, trainer, yaml_text
from leeway.project.load import Project
from monitors.config import MonitorPolicy

TRAINERS = ("trainers", "leeway_trainers")
"""Names for the trainer module; the first that is free is used."""

LEAST_ROWS = 10
"""Values of a window below which it is never judged, as few as rows may be."""
BUDGET_SLICES = 13
"""Slices in which one false alarm is put up with, at least; 90 days where that is more."""
EVALUATION_WINDOWS = 4
"""Windows in the evaluation period."""
SCHEDULE_WINDOWS = 5
"""Windows between scheduled retrains. Incidents add some: with about a quarter of the trainings of a refit at every
window most of what that gains is reached (docs/backtest.md)."""


def write(
    path: Path,
    source: Path,
    *,
    model: str | None = None,
    wishes: ColumnWishes = ColumnWishes(),  # noqa: B008 - it is frozen
    force: bool = False,
    one_file: bool = False,
) -> Project:
    """Write a project file at *path* from the events in *source* (a file or a folder), and return it loaded.

    With *one_file* a file is the whole log; otherwise other files like it in its folder belong to it, too.

    Raises ProjectError if *path* exists and not *force*, DataError if *source* is not a log of events.
    """
    check_names(path, model, force=force)
    log, folder = draft.read_log(source, wishes), path.resolve().parent
    made = draft.draft(log, wishes, folder, datetime.now(UTC), one_file=one_file)
    return write_draft(path, made, model)


def check_names(path: Path, model: str | None, *, force: bool) -> None:
    """Raise ProjectError if *path* exists and not *force*, or *model* is not a valid name."""
    if path.exists() and not force:
        msg = f"{path.resolve()} exists already"
        raise ProjectError(msg, hint="--force overwrites it; --project names another file")
    if model and model != _name(model):
        msg = f"{model!r} is not a valid name of a model"
        raise ProjectError(msg, hint=f"use letters, digits, - and _, like {_name(model)}")


def write_draft(path: Path, made: Draft, model: str | None = None) -> Project:
    """Write the project file at *path* and, where the user has none, the module of its trainer; return it loaded.

    A trainer that was written for another task, and not edited since, is replaced.
    """
    path = path.resolve()
    name = _name(path.parent.name)
    module = _module(path.parent) if made.labels else None
    text = "".join(_lines(made, path.parent, name, model or name, module))
    path.write_text(text, encoding="utf-8")
    project = Project.load(path)
    if module and _is_ours(file := path.parent / f"{module}.py"):
        file.write_text(trainer(made.inferred.task), encoding="utf-8")
    return project


def _is_ours(file: Path) -> bool:
    """Return whether there is no such file, or nobody has edited it since it was written here."""
    return not file.exists() or file.read_text(encoding="utf-8", errors="replace") in map(trainer, Task)


def _module(folder: Path) -> str:
    """Return the name of the trainer module: an existing one with a trainer, else a new one."""
    for name in TRAINERS:
        file = folder / f"{name}.py"
        if not file.exists() or "def static(" in file.read_text(encoding="utf-8", errors="replace"):
            return name
    return TRAINERS[-1]


def _lines(made: Draft, home: Path, name: str, model: str, module: str | None) -> Iterator[str]:
    """Yield the lines of a project file, each choice with a comment."""
    inferred = made.inferred
    yield HEAD.format(name=name, model=model, task=inferred.task.value, meaning=MEANING[inferred.task])
    yield from _sources(made, home)
    yield from _columns(made)
    yield from _conventions(made)
    yield f"    label_delay: {format_span(made.label_delay)}  # how long after a prediction its label is final\n"
    yield "    features:\n"
    for column, (kind, remark) in inferred.features.items():
        yield f"      {yaml_text(column)}: {kind.value}{'  # ' + comment(remark) if remark else ''}\n"
    for column, why in inferred.left_out.items():
        yield f"      # left out: {yaml_text(column)}: {comment(why)}\n"
    yield from _watching(made)
    yield from _retraining(made, module)


def _sources(made: Draft, home: Path) -> Iterator[str]:
    """Yield the lines that say where history, predictions and labels are."""
    inferred = made.inferred
    own = _source(made.events, home, made.sample.csv.model_dump(exclude_defaults=True))
    if inferred.is_history:
        yield f"      history: {own}  # labelled events without predictions: for training, not monitored\n"
        future = predictions_folder(made.events, home)
        yield f"      predictions: {{path: {future}}}  # none yet; `leeway score` writes them\n"
    else:
        yield f"      predictions: {own}  # .jsonl, .csv or .parquet files\n"
    if made.labels is None:
        yield "      # labels: {path: events/labels}  # events with id, time (when it became known) and label\n"
    elif made.labels == made.events:
        yield f"      labels: {own}  # in the same rows\n"
    else:
        labels = _source(made.labels, home, made.labels_sample.csv.model_dump(exclude_defaults=True))
        yield f"      labels: {labels}  # labels that arrive later\n"


def predictions_folder(events: Path, home: Path) -> str:
    """Return the folder for future predictions, relative to *home*; not one that is read as history."""
    return "_predictions" if events.is_dir() and home.is_relative_to(events) else "events/predictions"


def _source(place: Path, home: Path, dialect: Mapping[str, str]) -> str:
    path = f"path: {yaml_text(os.path.relpath(place, home))}"
    csv_keys = ", ".join(f"{key}: {yaml_text(value)}" for key, value in dialect.items())
    return f"{{{path}, csv: {{{csv_keys}}}}}" if csv_keys else f"{{{path}}}"


def _columns(made: Draft) -> Iterator[str]:
    inferred = made.inferred
    parts = {part: column for part, column in inferred.columns.items() if part != "version" or not inferred.is_history}
    changed = {part: name for part, name in parts.items() if name != Columns.model_fields[part].default}
    if changed:
        yield f"      columns: {{{', '.join(f'{part}: {yaml_text(column)}' for part, column in changed.items())}}}\n"
    for part, why in inferred.reasons.items():
        yield f"      # {part}: {yaml_text(inferred.columns[part])}: {comment(why)}\n"
    if "version" not in inferred.columns and not inferred.is_history:
        yield "      version: v1  # of every event: the log has no version column\n"


def _conventions(made: Draft) -> Iterator[str]:
    if made.times:
        yield f"      times: {{{', '.join(f'{key}: {yaml_text(value)}' for key, value in made.times.items())}}}\n"
    if missing := dict.fromkeys((*made.sample.missing, *made.labels_sample.missing)):
        words = ", ".join(map(yaml_text, missing))
        yield f'      missing: ["", {words}]  # texts that mean a missing value, in every column\n'
    if made.inferred.positive is not None:
        yield f"      positive: {yaml_text(made.inferred.positive)}  # the label that counts as 1\n"


def _watching(made: Draft) -> Iterator[str]:
    """Yield the lines on segments, windows, the baseline period and the monitor."""
    cut = made.periods
    categories = [column for column, (kind, _) in made.inferred.features.items() if kind is FeatureKind.CATEGORICAL]
    example = f", for instance [{comment(yaml_text(categories[0]))}]" if categories else ""
    yield f"    segments: []  # categorical features whose values are monitored separately{example}\n"
    size, slide = format_span(cut.windows.size), format_span(cut.windows.slide)
    yield f"    windows: {{size: {size}, slide: {slide}}}  # a window of the last {size}, every {slide}\n"
    start, end = (yaml_text(day) if ":" in day else day for day in periods.dates((cut.start, cut.end)))
    few = "; fewer than 20 carry no guarantee" if cut.slices < 20 else ""
    yield f"    baseline: {{start: {start}, end: {end}}}  # what windows are compared with: {cut.slices} slices{few}\n"
    rows = int(cut.rows_a_window / 2)  # so that a window with half of the usual rows is still judged
    few_rows = FEW_ROWS.format(rows=max(LEAST_ROWS, rows)) if rows < MonitorPolicy().min_rows else ""
    yield MONITOR.format(days=max(90, BUDGET_SLICES * cut.windows.slide.days), few=few_rows)


def _retraining(made: Draft, module: str | None) -> Iterator[str]:
    """Yield the keys of retraining; as comments with what is missing, where labels or versions are missing."""
    text = "".join(_retrain(made, module or TRAINERS[0]))
    if made.labels is None:
        why = "retraining needs labels: set events.labels, then uncomment these lines"
    elif "version" not in made.inferred.columns and not made.inferred.is_history:
        why = (
            "retraining needs the version of each prediction: log it, name its column in events.columns "
            "(version: COLUMN) in place of events.version, then uncomment these lines"
        )
    else:
        yield text
        return
    yield f"    # {why}\n"
    yield from (f"    # {line[4:]}" for line in text.splitlines(keepends=True))


def _retrain(made: Draft, module: str) -> Iterator[str]:
    """Yield the `retrain` section, with row numbers that fit how many rows a day the log has."""
    cut, days = made.periods, made.periods.rows_a_day
    evaluation = EVALUATION_WINDOWS * cut.windows.size
    yield RETRAIN.format(
        trainer=f"{module}:static",
        file=f"{module}.py",
        window=format_span(max(52 * cut.windows.size, cut.end - cut.start)),
        evaluation=format_span(evaluation),
        schedule=format_span(SCHEDULE_WINDOWS * cut.windows.size),
        cool_down=format_span(cut.windows.size),
        min_rows=max(10, min(1000, int(days * (cut.end - cut.start).total_seconds() / 86400 / 2))),
        gate_rows=max(10, min(100, int(days * evaluation.total_seconds() / 86400 / 8))),
    )
    yield from (f"        - {name}\n" for name in TRUST)


def _name(text: str) -> str:
    """Return *text* as a valid project name.

    >>> _name("my flights (2013)"), _name("...")
    ('my-flights-2013', 'project')
    """
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")[:64] or "project"
