"""Writes a commented project file from a sample of the user's own events: the quickest way to `leeway check`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from features import sources
from features.errors import DataError, ProjectError
from features.schema import Columns, Kind, Task
from leeway import sample
from leeway.guess import NAMES, Guess, guess
from leeway.project import Project

ROWS = 10_000

_HEAD = """\
# A Leeway project. `leeway schema` describes every key; `leeway check` says whether the events fit.
# Lengths of time are written like 30s, 15m, 6h, 7d. Secrets are read from environment variables only.
project: {name}

models:
  {model}:
    task: {task}  # {meaning}
    events:
      predictions: {{path: {predictions}}}  # a folder of .jsonl, .csv or .parquet files
"""
_TAIL = """\
    segments: []  # categorical features to watch value by value{example}
    windows: {size: 7d, slide: 1d}  # a window of the last 7 days, every day
    # baseline: {start: 2013-01-01, end: 2013-03-01}  # the period that windows are compared with
    monitor:
      false_alarms: 1 per 90 days  # the one number that is promised; `leeway replay` shows what another would have done
      # error_stream: page_hinkley  # also looks at single losses: fast, and outside the promise
    # incidents: {open_after: {windows: 2, of: 3}}  # by default each window that drifts opens one, or goes to it
    # retrain:  # without it Leeway only watches
    #   trainer: trainers:static  # trainers.py beside this file; static() returns an unfitted scikit-learn model
    #   window: 90d  # how far back training data reach
"""
_MEANING = {
    Task.BINARY: "the prediction is the probability of label 1; or: regression, multiclass",
    Task.REGRESSION: "the prediction is a number; or: binary, multiclass",
    Task.MULTICLASS: "the prediction is a class; or: binary, regression",
}


def write(
    path: Path, source: Path, *, model: str | None = None, task: Task | None = None, force: bool = False
) -> Project:
    """Write a project file at *path* from the events in *source* (a file or a folder), and return it loaded.

    Raises ProjectError if *path* is taken and not *force*, DataError if *source* does not look like prediction events.
    """
    path = path.resolve()
    if path.exists() and not force:
        msg = f"{path} is already there"
        raise ProjectError(msg, hint="--force writes over it; `--project` names another file")
    if model and model != _name(model):
        msg = f"{model!r} cannot be a model's name"
        raise ProjectError(msg, hint=f"use letters, digits, - and _, like {_name(model)}")
    found = guess(sample.rows(_first(source), ROWS), task)
    name = _name(path.parent.name)
    lines = "".join(_lines(found, path.parent, _folder(source), name, model or name))
    path.write_text(lines, encoding="utf-8")
    return Project.load(path)


def _lines(found: Guess, home: Path, predictions: Path, name: str, model: str) -> Iterator[str]:
    relative = yaml_text(os.path.relpath(predictions, home))
    yield _HEAD.format(
        name=name, model=model, task=found.task.value, meaning=_MEANING[found.task], predictions=relative
    )
    columns = {part: found.parts[part] for part in ("id", "time", "version", "prediction") if part in found.parts}
    yield from _labels(found, home, predictions, columns)
    changed = {part: column for part, column in columns.items() if column != Columns.model_fields[part].default}
    if changed:
        yield f"      columns: {{{', '.join(f'{part}: {yaml_text(column)}' for part, column in changed.items())}}}\n"
    if "version" not in columns:
        yield "      version: v1  # of every event, since the log has no column for it\n"
    yield "    label_delay: 24h  # how long after a prediction its label is final\n    features:\n"
    for column, (kind, remark) in found.features.items():
        yield f"      {yaml_text(column)}: {kind.value}{'  # ' + remark if remark else ''}\n"
    for column, why in found.left_out.items():
        yield f"      # left out: {yaml_text(column)}: {why}\n"
    categories = [column for column, (kind, _) in found.features.items() if kind is Kind.CATEGORICAL]
    yield _TAIL.replace("{example}", f", for instance [{yaml_text(categories[0])}]" if categories else "")


def _labels(found: Guess, home: Path, predictions: Path, columns: dict[str, str]) -> Iterator[str]:
    """Yield where the labels are, and add their *columns*: a folder beside the predictions, or the same files."""
    beside = predictions.parent / "labels"
    if beside.is_dir() and beside != predictions and sources.list_files(beside):
        table = sample.rows(_first(beside), ROWS)
        columns.update(_label_columns(table))
        yield f"      labels: {{path: {yaml_text(os.path.relpath(beside, home))}}}  # labels that arrive later\n"
    elif "label" in found.parts:
        columns.update(label=found.parts["label"], label_time=found.parts["time"])
        yield f"      labels: {{path: {yaml_text(os.path.relpath(predictions, home))}}}  # in the same files\n"
    else:
        yield "      # labels: {path: events/labels}  # events with id, time (when it became known) and label\n"


def _label_columns(table: pa.Table) -> Iterator[tuple[str, str]]:
    for part, names in (("label", NAMES["label"]), ("label_time", ("label_time", "known_at", *NAMES["time"]))):
        yield from [(part, column) for name in names for column in table.column_names if column.lower() == name][:1]


def _folder(source: Path) -> Path:
    return (source if source.is_dir() else source.parent).resolve()


def _first(source: Path) -> Path:
    files = [file for file in sources.list_files(source) if file.stat().st_size]
    if not files:
        msg = f"{source} holds no events"
        raise DataError(msg, hint=f"give a file that ends in {', '.join(sources.FORMATS)}, and is not empty")
    return files[0]


def _name(text: str) -> str:
    """Return *text* as a project may be called.

    >>> _name("my flights (2013)"), _name("...")
    ('my-flights-2013', 'project')
    """
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_") or "project"


def yaml_text(text: str) -> str:
    """Return *text* so that YAML reads it back as the same text: quoted where it would be something else.

    >>> yaml_text("air_temp"), yaml_text("null"), yaml_text("12"), yaml_text("a: b")
    ('air_temp', '"null"', '"12"', '"a: b"')
    """
    plain = re.fullmatch(r"[A-Za-z_.][\w./-]*", text) and text.lower() not in _RESERVED
    return text if plain else '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


_RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf", ".", ".."}
