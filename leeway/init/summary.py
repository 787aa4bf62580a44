"""The summary of `leeway init`: what was inferred, the option that changes each, and the next commands."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from features.window import format_span
from leeway.check.environment import Check
from leeway.infer import periods, roles
from leeway.init.draft import Draft
from leeway.init.starter_file import predictions_folder
from leeway.project.validation_errors import count
from leeway.terminal import show

MAX_NAMES = 30
"""Names of features that are listed."""


def print_summary(path: Path, made: Draft, errors: Sequence[Check], versions: Sequence[str]) -> None:
    """Print what was written at *path*, each inferred value with the option that changes it, and the next commands.

    *versions* are the warnings about versions that will have no baseline.
    """
    inferred = made.inferred
    kinds = Counter(kind.value for kind, _ in inferred.features.values())
    features = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    show.note(
        show.text(f"Wrote {path}: a {inferred.task.value} model with {features} features: {_names(inferred.features)}.")
    )
    show.table("", ("setting", "value", "change with"), _chosen(made))
    for remark in made.remarks:
        show.note(show.text(remark))
    if inferred.left_out:
        show.note(f"Left out: {show.text('; '.join(f'{name} ({why})' for name, why in inferred.left_out.items()))}.")
    if errors:
        show.note(f"\n[red]leeway check finds {show.text(count(len(errors), 'error'))}:[/]")
        for one in errors:
            show.note(f"  {show.text(one.message)}")
        return
    show.note("\nReview the file, then run:")
    for command, why in next_commands(made, path.resolve().parent):
        show.note(f"  [bold]{show.text(command)}[/]  {show.text(why)}")
    for warning in versions:
        show.note(f"[yellow]warning:[/] {show.text(warning)}")


def _names(features: Collection[str]) -> str:
    """Return the names of the features; of many the first."""
    more = len(features) - MAX_NAMES
    listed = ", ".join(list(features)[:MAX_NAMES])
    return f"{listed} and {more} more" if more > 0 else listed


def _chosen(made: Draft) -> Iterator[tuple[str, str, str]]:
    """Yield each choice that was made, its value, and how to choose otherwise."""
    inferred = made.inferred
    for part in roles.ROLES:
        why = f", {inferred.reasons[part]}" if part in inferred.reasons else ""
        yield part.replace("_", " "), inferred.columns.get(part, "none") + why, f"--{part.replace('_', '-')} COLUMN"
    yield "task", inferred.task.value, "--task binary, regression or multiclass"
    if inferred.positive is not None:
        yield "positive label", inferred.positive, "--positive VALUE"
    for what, chosen in _formats(made).items():
        yield what, chosen, "edit the file"
    if made.labels:
        yield "label delay", format_span(made.label_delay), "edit the file"
    windows = made.periods.windows
    yield "windows", f"{format_span(windows.size)}, every {format_span(windows.slide)}", "edit the file"
    yield "baseline", " to ".join(periods.dates((made.periods.start, made.periods.end))), "edit the file"


def _formats(made: Draft) -> dict[str, str]:
    """Return the log's formats that differ from the defaults."""
    formats = {f"CSV {key}": value for key, value in made.sample.csv.model_dump(exclude_defaults=True).items()}
    formats |= {f"times, {key}": value for key, value in made.times.items()}
    return formats | ({"missing": ", ".join(made.sample.missing)} if made.sample.missing else {})


def next_commands(made: Draft, home: Path) -> Iterator[tuple[str, str]]:
    """Yield the next commands to run in the project's folder, in order, each with what it does."""
    yield "leeway check", "validate the file and the events"
    if made.inferred.is_history:
        (end,) = periods.dates((made.periods.end,))
        log, out = os.path.relpath(made.events, home), f"{predictions_folder(made.events, home)}/first.jsonl"
        yield "leeway retrain --first", "train a first model on the baseline period and freeze its baseline"
        yield f"leeway score {shlex.quote(log)} {out} --start {end}", "score the events after it"
    else:
        yield "leeway baseline", "freeze the baseline"
    yield "leeway monitor --once", "judge the existing events"
    yield "leeway react", "decide on incidents; leeway flows serve does so as they come"
    yield "leeway status", "show the results; see also incidents, why 1, dashboard"


def as_json(path: Path, made: Draft) -> dict[str, Any]:
    """Return the summary as the JSON document of `leeway init`."""
    inferred = made.inferred
    return {
        "path": path.resolve(), "task": inferred.task, "columns": inferred.columns, "positive": inferred.positive,
        "features": {name: kind for name, (kind, _) in inferred.features.items()}, "left_out": inferred.left_out,
        "events": made.events, "labels": made.labels, "history": inferred.is_history, "written": _formats(made),
        "remarks": made.remarks, "next": [command for command, _ in next_commands(made, path.resolve().parent)],
    }  # fmt: skip
