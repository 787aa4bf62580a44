"""`leeway baseline` and `leeway monitor`: freeze what the world looked like, then watch how far it is from that."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table

from features.errors import NotEnoughData, ProjectError
from features.window import UTC
from leeway import context, enduring, first, jobs, letters, show, watch
from leeway.project import Model
from monitors.report import Stage

ModelName = Annotated[str | None, typer.Option("--model", "-m", help="The model, where the project has several.")]
When = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC.")]


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command()(baseline)
    app.command()(monitor)
    app.command()(ingest)


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
        with show.working(f"Counting {show.text(chosen.name)}, {period[0]:%Y-%m-%d} to {period[1]:%Y-%m-%d}"):
            made = first.register_baseline(opened, chosen, version, period, now=datetime.now(UTC))
    show.note(
        f"Baseline of {show.text(f'{chosen.name} {made.version}')}: {made.rows:,} rows in "
        f"{len(made.slices(Stage.INPUTS))} slices, {len(made.bins)} variables, digest {show.text(made.digest[:12])}. "
        "[bold]leeway monitor[/] compares with it."
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

    Stopped or killed, it goes on from its last checkpoint: no window is reported twice, none is missing. Where the
    project has a Flink cluster and the events are in topics, the job runs there, and goes on without the monitor. Once
    at work, it waits for servers that are away, and starts a job again that the cluster has lost.
    """
    with context.open(ctx.obj) as opened:
        watching = watch.Watch(opened, opened.model(model), clock=lambda: datetime.now(UTC))
        if once:
            with show.working(f"Judging the events of {show.text(watching.model.name)}"):
                watching.once()
        else:
            _follow(watching)
    show.table("Monitor", *_summary([watching]))
    _tell_of_letters(watching)


def _tell_of_letters(watching: watch.Watch) -> None:
    if watching.tally.rejected and jobs.follows_topics(watching.model):
        topic = jobs.output_topic(watching.model, "rejects")
        lost = f"{watching.tally.rejected} events could not be used; their records are in the topic {topic}."
        show.note(show.text(lost))
    if kept := letters.count(watching.opened.dir, watching.model.name):
        lost = f"{kept} records could not be used; they are in {watching.dead_letters} with file, line and reason."
        show.note(show.text(lost))


def ingest(ctx: typer.Context, model: ModelName = None) -> None:
    """Take the reports of jobs on a cluster to the registry, until stopped; for all models that follow topics.

    Reports wait in their topic while this does not run, or while the registry is away. Stopped or killed, it goes on
    where it was, and a report that comes again changes nothing.
    """
    with context.open(ctx.obj) as opened:
        names = [model] if model else [m.name for m in opened.project.models.values() if jobs.follows_topics(m)]
        watching = [watch.Watch(opened, opened.model(name), clock=lambda: datetime.now(UTC)) for name in names]
        if not watching:
            msg = "no model of this project has its events in topics"
            raise ProjectError(msg, hint="`leeway monitor` takes in what it finds in directories by itself")
        show.note(f"Taking in the reports on {show.text(', '.join(w.model.name for w in watching))}; Ctrl-C stops.")
        with ExitStack() as stack:
            _until_stopped(watching, [stack.enter_context(_enduring(w, w.ingesting)) for w in watching])
    show.table("Taken in", *_summary(watching))


def _follow(watching: watch.Watch) -> None:
    show.note(f"Watching {show.text(watching.model.name)}; Ctrl-C stops. Flink is starting...")
    with _enduring(watching, watching.live) as take:
        _until_stopped([watching], [take])


def _enduring(
    watching: watch.Watch, opening: Callable[[], AbstractContextManager[Callable[[], int]]]
) -> enduring.Enduring:
    """Return what is taken in for as long as it lasts: outages are told of and waited for."""
    name = watching.model.name
    return enduring.Enduring(opening, lambda told: show.note(show.text(f"{datetime.now(UTC):%H:%M:%S} {name}: {told}")))


def _until_stopped(watching: list[watch.Watch], takes: list[Callable[[], int]]) -> None:
    with Live(_tally(watching), console=show.out, refresh_per_second=4) as screen:
        try:
            while True:
                for take in takes:
                    take()
                screen.update(_tally(watching))
                time.sleep(0.25)
        except KeyboardInterrupt:
            for take in takes:
                take()


def _tally(watching: list[watch.Watch]) -> Table:
    columns, rows = _summary(watching)
    table = Table(*columns)
    for row in rows:
        table.add_row(*map(show.cell, row))
    return table


def _summary(watching: list[watch.Watch]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    columns = ("model", "predictions", "labels", "late", "dead letters", "newest", "windows", "revised", "last window",
               "opened")  # fmt: skip
    return columns, [_row(w.model.name, w.tally) for w in watching]


def _row(name: str, t: watch.Tally) -> tuple[object, ...]:
    return (name, t.rows["predictions"], t.rows["labels"], t.late, t.rejected, t.newest, t.stored, t.revised,
            t.last_window, ", ".join(t.opened) or None)  # fmt: skip
