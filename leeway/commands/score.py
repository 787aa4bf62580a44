"""`leeway score`: offline scoring of a file of events with the champion or another version."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from features import user_code
from features.facts import lookup
from features.schema import Source
from features.window import UTC
from leeway import context
from leeway.commands import topics
from leeway.commands.options import AsJson, ModelName, Partitions, When, utc
from leeway.landed import landing
from leeway.project.load import Model
from leeway.terminal import show
from leeway.terminal.exit_codes import ExitCode
from serving import model as serving
from serving import offline
from serving.model import Served

SHOWN = 20
"""Most records that could not be read and are listed."""


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(score)


def score(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(help="A directory or file of events with id, time and features.")],
    target: Annotated[
        Path | None, typer.Argument(help="A new .jsonl or .parquet file for the prediction events.")
    ] = None,
    to_topic: Annotated[
        bool, typer.Option("--to-topic", help="Send prediction events to the topic of events.predictions instead.")
    ] = False,
    partitions: Partitions = 4,
    model: ModelName = None,
    version: Annotated[str | None, typer.Option(help="The version to use instead of the champion.")] = None,
    start: When = None,
    end: When = None,
    force: Annotated[bool, typer.Option(help="Overwrite an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score the events of SOURCE and write prediction events to TARGET or to the monitored topic.

    With --start or --end, only the events of that period are scored. Missing features of facts are computed. Exit code
    1 if some records could not be read.
    """
    if (target is None) != to_topic:
        msg = "choose one destination for prediction events: a file or the topic"
        raise typer.BadParameter(msg, param_hint="TARGET or --to-topic")
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        user_code.make_importable(opened.project.folder)
        served = serving.load(opened.registry, chosen.schema, trusted=chosen.trusted, version=version)
        place = with_csv_format(chosen, source)
        wanted, now = offline.EventPeriod(utc(start), utc(end)), datetime.now(UTC)
        landing.land(chosen.landed, now)
        fill = partial(lookup.fill_missing, declared=chosen.facts, now=now)
        with show.working(f"Scoring the events of {show.text(source)}"):
            if target is None:
                to = topics.topic(chosen, "predictions")
                done = offline.publish(served, place, to, now=now, partitions=partitions, wanted=wanted, fill=fill)
            else:
                done = offline.score(served, place, target, wanted=wanted, over=force, fill=fill)
    where = str(target) if target else to.name
    _print_result(served, done, where, as_json=as_json)
    if done.rejects:
        raise typer.Exit(ExitCode.FINDINGS)


def with_csv_format(model: Model, source: Path) -> Source:
    """Return *source* with the CSV dialect of the model's own events."""
    like = model.events.history or model.events.predictions
    return Source(path=str(source), csv=like.csv)


def _print_result(served: Served, done: offline.Scored, where: str, *, as_json: bool) -> None:
    """Print how many events were scored, where they went, and which records could not be read."""
    rejects = [(r.path, r.line, r.reason) for r in done.rejects]
    if as_json:
        lost = [dict(zip(("path", "line", "reason"), reject, strict=True)) for reject in rejects]
        show.as_json({"ok": not lost, "model": served.schema.model, "version": served.version, "rows": done.rows,
                      "to": where, "rejects": lost})  # fmt: skip
        return
    show.note(show.text(f"{done.rows:,} events scored by {served.schema.model} {served.version}: {where}"))
    if rejects:
        show.table(f"{len(rejects)} records could not be read", ("file", "line", "reason"), rejects[:SHOWN])
    if len(rejects) > SHOWN:
        show.note(f"... and {len(rejects) - SHOWN:,} more; --json lists all")
