"""`leeway check`, `leeway schema` and `leeway init`: writing a project file and finding out whether it holds."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from features import codec
from features.avro import derive as avro_of
from features.schema import Task
from leeway import check_events, checks, sections, show, starter, tailing
from leeway.explain import count
from leeway.project import FILE_NAME, Project


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command()(init)
    app.command()(check)
    app.command()(schema)


def init(
    ctx: typer.Context,
    source: Annotated[Path, typer.Option("--from", help="A file or folder of prediction events to look at.")],
    model: Annotated[str | None, typer.Option(help="The model's name; the folder's if absent.")] = None,
    task: Annotated[Task | None, typer.Option(help="What it predicts; guessed if absent.")] = None,
    force: Annotated[bool, typer.Option(help="Write over a project file that is already there.")] = False,
) -> None:
    """Write a commented project file from a sample of your events."""
    path = ctx.obj / FILE_NAME if ctx.obj.is_dir() else ctx.obj
    written = starter.write(path, source, model=model, task=task, force=force)
    described = written.model().schema
    kinds = Counter(kind.value for kind in described.features.values())
    features = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    show.note(
        f"Wrote {show.text(path)}: a {show.text(described.task.value)} model with {show.text(features)} features."
    )
    show.note("Read it through, then run [bold]leeway check[/].")


def check(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check the project file and all it points to: events, trainers, variables. Exit code 1 if anything fails."""
    project = Project.load(ctx.obj)
    found = [checks.Check("project file", "ok", f"{project.path.name}: {count(len(project.models), 'model')}")]
    found += checks.surroundings(project)
    found += itertools.chain.from_iterable(check_events.events(model) for model in project.models.values())
    tally = Counter(c.result for c in found)
    if as_json:
        rows = [{"name": c.name, "result": c.result, "message": c.message} for c in found]
        show.as_json({"ok": not tally["error"], "checks": rows})
    else:
        show.table(f"{project.name}", ("what", "result", "found"), [(c.name, c.result, c.message) for c in found])
        warnings, errors = (count(tally[kind], kind) for kind in ("warning", "error"))
        show.note(f"\n{tally['ok']:,} ok, {show.text(warnings)}, {show.text(errors)}")
    if tally["error"]:
        raise typer.Exit(1)


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
        show.as_json(sections.json_schema())
        return
    described = Project.load(ctx.obj).model(model).schema
    show.as_json(json.loads(avro_of(codec.wanted(described, tailing.role(avro.value)))))
