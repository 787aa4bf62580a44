"""`leeway score`: answer a file of events with the champion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leeway import context, show
from retrain_flows import train
from serving import model as serving
from serving import offline

ModelName = Annotated[str | None, typer.Option("--model", "-m", help="The model, where the project has several.")]


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(score)


def score(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(help="Events: a directory or a file, with id, time and features.")],
    target: Annotated[Path, typer.Argument(help="Prediction events: a new .jsonl or .parquet file.")],
    model: ModelName = None,
    version: Annotated[str | None, typer.Option(help="Another version than the champion.")] = None,
) -> None:
    """Answer the events of SOURCE and write prediction events to TARGET. Exit code 1 if some could not be read."""
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        train.make_importable(opened.project.folder)
        trusted = chosen.retrain.trust if chosen.retrain else ()
        served = serving.load(opened.registry, chosen.schema, trusted=trusted, version=version)
        done = offline.score(served, source, target)
    show.note(f"{done.rows:,} events answered by {served.schema.model} {served.version}: {target}")
    if done.rejects:
        rows = [(r.path, r.line, r.reason) for r in done.rejects[:20]]
        show.table(f"{len(done.rejects)} records could not be read", ("file", "line", "reason"), rows)
        raise typer.Exit(1)
