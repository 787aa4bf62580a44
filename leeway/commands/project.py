"""`leeway init`, `check` and `schema`: draft a project file from a log, validate it and its events, describe it."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from features.events import decode
from features.kafka.avro import derive as avro_of
from features.schema import Task
from features.window import UTC
from leeway.check import environment, events, facts, landed, transforms
from leeway.commands.options import AsJson, Column, IdColumn, ModelName, Positive
from leeway.infer import log_files
from leeway.infer.roles import ColumnWishes
from leeway.init import add_ids, ask, draft, starter_file, summary
from leeway.project import file_schema
from leeway.project.load import FILE_NAME, Project
from leeway.project.validation_errors import count
from leeway.terminal import show
from leeway.terminal.exit_codes import ExitCode
from leeway.topics import tail_records


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command()(init)
    app.command()(check)
    app.command()(schema)


def init(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    source: Annotated[Path, typer.Option("--from", help="A file or folder of events.")],
    labels: Annotated[
        Path | None, typer.Option(help="A file or folder of label events, if the labels are not in the same rows.")
    ] = None,
    prediction: Column = None,
    label: Column = None,
    id_: IdColumn = None,
    time: Column = None,
    label_time: Column = None,
    version: Column = None,
    positive: Positive = None,
    task: Annotated[Task | None, typer.Option(help="What the model predicts; inferred by default.")] = None,
    model: Annotated[str | None, typer.Option(help="The model's name; by default the folder's.")] = None,
    number_rows: Annotated[
        bool,
        typer.Option(
            "--number-rows", help="Copy the log to events/numbered with row numbers as ids, and use the copy."
        ),
    ] = False,
    force: Annotated[bool, typer.Option(help="Overwrite an existing project file.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask no questions, even on a terminal.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a commented project file from a sample of your events.

    Each role (id, time, prediction, ...) gets the column that you name; otherwise it is inferred from names and values,
    and on a terminal you are asked. Labels are searched in the same rows, and in a folder or file called labels next to
    the log. A labelled log without predictions is treated as history, on which a first model can be trained. Exit code
    1 if `leeway check` would find an error.
    """
    path = ctx.obj / FILE_NAME if ctx.obj.is_dir() else ctx.obj
    starter_file.check_names(path, model, force=force)
    by_role = {"prediction": prediction, "label": label, "id": id_, "time": time, "label_time": label_time,
             "version": version}  # fmt: skip
    wishes = ColumnWishes.of(by_role, task, positive)
    if number_rows:
        source = add_ids.copy(log_files.events(source), path.resolve().parent, force=force)
    log = draft.read_log(source, wishes, labels)
    if not yes and not as_json and ask.on_terminal():
        wishes = ask.ask(log, wishes)
    drafted = draft.draft(log, wishes, path.resolve().parent, datetime.now(UTC))
    written = starter_file.write_draft(path, drafted, model)
    checks = list(events.events(written.model()))
    errors = [c for c in checks if c.result == "error"]
    versions = [c.message for c in checks if c.name.endswith(": versions")]
    if as_json:
        show.as_json({"ok": not errors, **summary.as_json(path, drafted), "errors": [c.message for c in errors],
                      "versions": versions})  # fmt: skip
    else:
        summary.print_summary(path, drafted, errors, versions)
    if errors:
        raise typer.Exit(ExitCode.FINDINGS)


def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check the project file, its events, trainers and environment variables. Exit code 1 with errors."""
    project = Project.load(ctx.obj)
    checks = [environment.Check("project file", "ok", f"{project.path.name}: {count(len(project.models), 'model')}")]
    checks += environment.surroundings(project)
    now = datetime.now(UTC)
    # What is new of tables, topics and views is read first: it is events and facts.
    checks += itertools.chain.from_iterable(landed.landed(model, now) for model in project.models.values())
    checks += itertools.chain.from_iterable(
        events.events(model, project.state / "baselines") for model in project.models.values()
    )
    checks += itertools.chain.from_iterable(facts.facts(model, now) for model in project.models.values())
    checks += itertools.chain.from_iterable(transforms.transforms(model) for model in project.models.values())
    tally = Counter(c.result for c in checks)
    if as_json:
        rows = [{"name": c.name, "result": c.result, "message": c.message} for c in checks]
        show.as_json({"ok": not tally["error"], "checks": rows})
    else:
        show.table(f"{project.name}", ("check", "result", "finding"), [(c.name, c.result, c.message) for c in checks])
        warnings, errors = (count(tally[kind], kind) for kind in ("warning", "error"))
        show.note(f"\n{tally['ok']:,} ok, {show.text(warnings)}, {show.text(errors)}")
    if tally["error"]:
        raise typer.Exit(ExitCode.FINDINGS)


class EventStream(str, Enum):
    """The event streams for which an Avro schema can be printed."""

    PREDICTIONS = "predictions"
    LABELS = "labels"
    HISTORY = "history"


def schema(
    ctx: typer.Context,
    avro: Annotated[
        EventStream | None, typer.Option(help="Print the Avro schema of this stream's records instead.")
    ] = None,
    model: ModelName = None,
) -> None:
    """Print the JSON Schema of the project file, for editors."""
    if avro is None:
        show.as_json(file_schema.json_schema())
        return
    described = Project.load(ctx.obj).model(model).schema
    show.as_json(json.loads(avro_of(decode.event_columns(described, tail_records.role(avro.value)))))
