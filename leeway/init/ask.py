"""Asks the user on a terminal for column roles, task and positive label, with the inferred ones as defaults."""

from __future__ import annotations

import sys
from dataclasses import replace

import typer

from features.schema import Task
from leeway.infer import feature_columns, prediction_columns, roles
from leeway.infer.columns import infer_columns
from leeway.infer.roles import ColumnWishes
from leeway.init.draft import Log
from leeway.project.validation_errors import did_you_mean

NONE = "none"
QUESTIONS = {
    "id": "Which column joins a label to its prediction (the id)?",
    "time": "Which column is the time of the prediction?",
    "prediction": "Which column is the model's prediction (none: no predictions yet, train a first model)?",
    "label": "Which column is the label (none: labels are elsewhere, or there are none)?",
    "version": "Which column is the version of the model (none: one version for all)?",
}


def on_terminal() -> bool:
    """Whether stdin and stdout are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask(log: Log, wishes: ColumnWishes) -> ColumnWishes:
    """Return *wishes* with the user's answers for each role that has not been named, and for the task.

    Raises DataError as `infer_columns` does.
    """
    table = feature_columns.plain_columns(log.sample.table)
    columns, refused = dict(wishes.columns), set(wishes.refused)
    typer.echo(f"The columns are {', '.join(table.column_names)}.", err=True)
    for part, question in QUESTIONS.items():
        if part in columns or part in refused or (part == "label" and log.labels_sample is not None):
            continue
        if part == "version" and "prediction" in refused:
            continue  # there are no predictions yet
        likely, _ = roles.find_columns(
            table, replace(wishes, columns=columns, refused=frozenset(refused)), log.label_rows
        )
        answer = _column(question, table.column_names, likely.get(part, NONE), needed=part in ("id", "time"))
        if answer == NONE:
            refused.add(part)
        else:
            columns[part] = answer
    answered = replace(wishes, columns=columns, refused=frozenset(refused))
    return _task(log, answered)


def _task(log: Log, wishes: ColumnWishes) -> ColumnWishes:
    """Ask for the task and, where it is binary and the labels have names, which of them counts as 1."""
    inferred = infer_columns(log.sample.table, wishes, log.label_rows)
    task = Task(_choice("What does the model predict?", [t.value for t in Task], inferred.task.value))
    wishes = replace(wishes, task=task)
    if task is not Task.BINARY or wishes.positive is not None:
        return wishes
    table = feature_columns.plain_columns(log.sample.table)
    labels = None if log.label_rows is None else feature_columns.plain_columns(log.label_rows)
    labels = prediction_columns.label_sample(table, inferred.columns, labels)
    likely = prediction_columns.positive_label(labels, wishes)
    if labels is None or likely is None:
        return wishes
    return replace(wishes, positive=_choice("Which label counts as 1?", labels.values[:20], likely))


def _column(question: str, columns: list[str], likely: str, *, needed: bool) -> str:
    choices = columns if needed else [*columns, NONE]
    return _choice(question, choices, None if needed and likely == NONE else likely)


def _choice(question: str, choices: list[str], likely: str | None) -> str:
    while True:
        answer = str(typer.prompt(question, default=likely, err=True)).strip()
        if answer in choices:
            return answer
        typer.echo(f"{answer!r} is not one of {', '.join(choices)}{did_you_mean(answer, choices)}", err=True)
