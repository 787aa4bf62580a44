"""`leeway baseline` and `leeway monitor`: freeze what the world looked like, then watch how far it is from that."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table

from features.errors import NotEnoughData, ProjectError
from features.window import UTC
from leeway import context, first, letters, show, watch
from leeway.project import Model
from monitors.report import Stage

ModelName = Annotated[str | None, typer.Option("--model", "-m", help="The model, where the project has several.")]
When = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC.")]


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command()(baseline)
    app.command()(monitor)


def baseline(
    ctx: typer.Context,
    model: ModelName = None,
    version: Annotated[str | None, typer.Option(help="The version in the events; the only one, if absent.")] = None,
    start: When = None,
    end: When = None,
) -> None:
    """Freeze the training baseline of a version from its events of a period (a Flink batch job).

    The period is `baseline.start` to `baseline.end` of the project file, unless given. The first version that gets a
    baseline becomes the champion: the version that is watched.
    """
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        period = _period(chosen, start, end)
        with show.working(f"Counting {chosen.name}, {period[0]:%Y-%m-%d} to {period[1]:%Y-%m-%d}"):
            made = first.register_baseline(opened, chosen, version, period, now=datetime.now(UTC))
    show.note(
        f"Baseline of {chosen.name} {made.version}: {made.rows:,} rows in {len(made.slices(Stage.INPUTS))} slices, "
        f"{len(made.bins)} variables, digest {made.digest[:12]}. [bold]leeway monitor[/] compares with it."
    )


def _period(model: Model, start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    known = model.baseline
    begin = start.replace(tzinfo=UTC) if start else known.start if known else None
    until = end.replace(tzinfo=UTC) if end else known.end if known else None
    if begin is None or until is None:
        msg = f"no baseline period is set for {model.name}"
        raise ProjectError(
            msg, hint=f"set models.{model.name}.baseline: {{start: ..., end: ...}}, or give --start, --end"
        )
    if begin >= until:
        msg = f"the baseline period of {model.name} ends before it starts: {begin:%Y-%m-%d} to {until:%Y-%m-%d}"
        raise NotEnoughData(msg, hint="end must be later than start")
    return begin, until


def monitor(
    ctx: typer.Context,
    model: ModelName = None,
    once: Annotated[bool, typer.Option(help="Judge the events that are there (in batch) and stop.")] = False,
) -> None:
    """Compare every window with its version's baseline, as events appear, until stopped with Ctrl-C.

    Stopped or killed, it goes on from its last checkpoint: no window is reported twice, none is missing.
    """
    with context.open(ctx.obj) as opened:
        watching = watch.Watch(opened, opened.model(model), clock=lambda: datetime.now(UTC))
        if once:
            with show.working(f"Judging the events of {watching.model.name}"):
                watching.once()
        else:
            _follow(watching)
    show.table("Monitor", *_summary(watching))
    if kept := letters.count(watching.opened.dir, watching.model.name):
        show.note(f"{kept} records could not be used; they are in {watching.dead_letters} with file, line and reason.")


def _follow(watching: watch.Watch) -> None:
    show.note(f"Watching {watching.model.name}; Ctrl-C stops. Flink is starting...")
    with watching.live() as take, Live(_tally(watching), console=show.out, refresh_per_second=4) as screen:
        try:
            while True:
                take()
                screen.update(_tally(watching))
                time.sleep(0.25)
        except KeyboardInterrupt:
            take()


def _tally(watching: watch.Watch) -> Table:
    columns, rows = _summary(watching)
    table = Table(*columns)
    for row in rows:
        table.add_row(*map(show.cell, row))
    return table


def _summary(watching: watch.Watch) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    t = watching.tally
    columns = (
        "model",
        "predictions",
        "labels",
        "dead letters",
        "newest",
        "windows",
        "revised",
        "last window",
        "opened",
    )
    row = (watching.model.name, t.rows["predictions"], t.rows["labels"], t.rejected, t.newest, t.stored, t.revised,
           t.last_window, ", ".join(t.opened) or None)  # fmt: skip
    return columns, [row]
