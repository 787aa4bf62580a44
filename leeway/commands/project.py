"""`leeway check`, `leeway schema` and `leeway init`: writing a project file and finding out whether it holds."""

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
from leeway.check import environment, events
from leeway.commands.options import AsJson
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


Column = Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel="Which column is what")]


def init(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    source: Annotated[Path, typer.Option("--from", help="A file or folder of events to look at.")],
    labels: Annotated[Path | None, typer.Option(help="Labels that are elsewhere: a file or a folder.")] = None,
    prediction: Column = None,
    label: Column = None,
    id_: Annotated[str | None, typer.Option("--id", metavar="COLUMN", rich_help_panel="Which column is what")] = None,
    time: Column = None,
    label_time: Column = None,
    version: Column = None,
    positive: Annotated[str | None, typer.Option(metavar="VALUE", help="The label that counts as 1.")] = None,
    task: Annotated[Task | None, typer.Option(help="What it predicts; guessed if absent.")] = None,
    model: Annotated[str | None, typer.Option(help="The model's name; the folder's if absent.")] = None,
    number_rows: Annotated[
        bool, typer.Option("--number-rows", help="Use a copy of the log, under events/numbered, with a number as id.")
    ] = False,
    force: Annotated[bool, typer.Option(help="Write over a project file that is already there.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing, also on a terminal.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a commented project file from a sample of your events.

    Each part is the column that you name, else the one whose name or values speak for it; on a terminal you are asked.
    Labels are looked for in the same rows, and in a folder or file called labels beside them. A labelled log without
    predictions is history: a first model is trained on it. Exit code 1 if `leeway check` would find an error.
    """
    path = ctx.obj / FILE_NAME if ctx.obj.is_dir() else ctx.obj
    starter_file.names(path, model, force=force)
    named = {"prediction": prediction, "label": label, "id": id_, "time": time, "label_time": label_time,
             "version": version}  # fmt: skip
    wishes = ColumnWishes({part: column for part, column in named.items() if column is not None}, task, positive)
    if number_rows:
        source = add_ids.copy(log_files.events(source), path.resolve().parent, force=force)
    log = draft.look(source, wishes, labels)
    if not yes and not as_json and ask.possible():
        wishes = ask.ask(log, wishes)
    made = draft.of(log, wishes, path.resolve().parent, datetime.now(UTC))
    written = starter_file.write_draft(path, made, model)
    found = [c for c in events.events(written.model()) if c.result == "error"]
    if as_json:
        show.as_json({"ok": not found, **summary.as_json(path, made), "errors": [c.message for c in found]})
    else:
        summary.say(path, made, found)
    if found:
        raise typer.Exit(ExitCode.FINDINGS)


def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check the project file and all it points to: events, trainers, variables. Exit code 1 if anything fails."""
    project = Project.load(ctx.obj)
    found = [environment.Check("project file", "ok", f"{project.path.name}: {count(len(project.models), 'model')}")]
    found += environment.surroundings(project)
    found += itertools.chain.from_iterable(events.events(model) for model in project.models.values())
    tally = Counter(c.result for c in found)
    if as_json:
        rows = [{"name": c.name, "result": c.result, "message": c.message} for c in found]
        show.as_json({"ok": not tally["error"], "checks": rows})
    else:
        show.table(f"{project.name}", ("what", "result", "found"), [(c.name, c.result, c.message) for c in found])
        warnings, errors = (count(tally[kind], kind) for kind in ("warning", "error"))
        show.note(f"\n{tally['ok']:,} ok, {show.text(warnings)}, {show.text(errors)}")
    if tally["error"]:
        raise typer.Exit(ExitCode.FINDINGS)


class EventStream(str, Enum):
    """Streams whose records have an Avro schema of their own."""

    PREDICTIONS = "predictions"
    LABELS = "labels"
    HISTORY = "history"


def schema(
    ctx: typer.Context,
    avro: Annotated[
        EventStream | None, typer.Option(help="Print the Avro schema of this stream's records in a topic instead.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="The model, where there are several.")] = None,
) -> None:
    """Print the JSON Schema of the project file, for editors."""
    if avro is None:
        show.as_json(file_schema.json_schema())
        return
    described = Project.load(ctx.obj).model(model).schema
    show.as_json(json.loads(avro_of(decode.event_columns(described, tail_records.role(avro.value)))))
