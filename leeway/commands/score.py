"""`leeway score`: answer a file of events with the champion."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from features.window import UTC
from leeway import context, show
from leeway.commands import topics
from retrain_flows import train
from serving import model as serving
from serving import offline

ModelName = Annotated[str | None, typer.Option("--model", "-m", help="The model, where the project has several.")]


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(score)


def score(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(help="Events: a directory or a file, with id, time and features.")],
    target: Annotated[Path | None, typer.Argument(help="Prediction events: a new .jsonl or .parquet file.")] = None,
    to_topic: Annotated[
        bool, typer.Option("--to-topic", help="Send them to the topic of events.predictions instead.")
    ] = False,
    partitions: Annotated[int, typer.Option(min=1, help="Of a topic that has to be made.")] = 4,
    model: ModelName = None,
    version: Annotated[str | None, typer.Option(help="Another version than the champion.")] = None,
) -> None:
    """Answer the events of SOURCE with prediction events, in TARGET or in the topic that is monitored.

    Exit code 1 if some could not be read.
    """
    if (target is None) != to_topic:
        msg = "prediction events go to a file or to the topic"
        raise typer.BadParameter(msg, param_hint="TARGET or --to-topic")
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        train.make_importable(opened.project.folder)
        trusted = chosen.retrain.trust if chosen.retrain else ()
        served = serving.load(opened.registry, chosen.schema, trusted=trusted, version=version)
        if target is None:
            to = topics.topic(chosen, "predictions")
            done, where = offline.publish(served, source, to, now=datetime.now(UTC), partitions=partitions), to.name
        else:
            done, where = offline.score(served, source, target), str(target)
    show.note(show.text(f"{done.rows:,} events answered by {served.schema.model} {served.version}: {where}"))
    if done.rejects:
        rows = [(r.path, r.line, r.reason) for r in done.rejects[:20]]
        show.table(f"{len(done.rejects)} records could not be read", ("file", "line", "reason"), rows)
        raise typer.Exit(1)
