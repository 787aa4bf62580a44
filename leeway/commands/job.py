"""`leeway job`: submit, list, stop and upgrade streaming jobs over Kafka topics on the project's Flink cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from features.errors import ProjectError
from leeway import context
from leeway.commands.options import AsJson, ModelName
from leeway.context import Context
from leeway.project.load import Model
from leeway.streaming import job_settings, lifecycle
from leeway.terminal import show

app = typer.Typer(no_args_is_help=True, help="Start, stop and replace streaming jobs on the Flink cluster.")
Replay = Annotated[bool, typer.Option(help="Read the topics from their beginning instead of restoring its state.")]


def register(main: typer.Typer) -> None:
    """Add the group of commands to *main*."""
    main.add_typer(app, name="job")


@app.command()
def submit(ctx: typer.Context, model: ModelName = None, replay: Replay = False, as_json: AsJson = False) -> None:
    """Start the model's job, restored from its newest savepoint or checkpoint if it has run before."""
    with _working(ctx, model, "Sending the job to Flink") as (opened, chosen):
        started = lifecycle.submit(opened, chosen, replay=replay)
    _print_started("Started", started, as_json=as_json)


@app.command("list")
def list_jobs(
    ctx: typer.Context,
    ended: Annotated[bool, typer.Option(help="Ended jobs too, as far as Flink lists them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the jobs of all models: state, watermark, lag in event time, and records not read yet.

    `watermark` is the event time that a job has reached: windows that end before it are closed. `lag` is how far it is
    behind the newest event of the topics, `behind` the number of records that its last checkpoint has not read.
    """
    with context.open(ctx.obj) as opened:
        models = [m for m in opened.project.models.values() if job_settings.follows_topics(m)]
        rows = [row for m in models for row in _rows(opened, m, ended=ended)]
    columns = ("model", "job", "state", "since", "checkpoints", "state bytes", "watermark", "lag", "behind", "file")
    if as_json:
        keys = [column.replace(" ", "_") for column in columns]
        show.as_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    show.table("Jobs", columns, rows)


def _rows(opened: Context, model: Model, *, ended: bool) -> list[tuple[object, ...]]:
    """Return a row for each job of *model* as `leeway job list` shows it; one row where none is running."""
    flink, current_name = lifecycle.cluster(opened), job_settings.cluster_name(opened, model)
    jobs = [job for job in lifecycle.all_of(opened, model) if ended or not job.ended]
    rows: list[tuple[object, ...]] = []
    for job in jobs:
        checkpoints, watermark = flink.checkpoints(job), None if job.ended else flink.watermark(job)
        newest = None if job.ended else job_settings.newest_event(model)
        lag = newest - watermark if newest and watermark else None
        rows.append((model.name, job.id, job.state.lower(), job.started, checkpoints.completed, checkpoints.size,
                     watermark, lag, None if job.ended else job_settings.behind(opened, model),
                     "unchanged" if job.name == current_name else "changed: upgrade"))  # fmt: skip
    return rows or [(model.name, None, "not running", *[None] * 7)]


@app.command()
def stop(
    ctx: typer.Context,
    model: ModelName = None,
    kill: Annotated[
        bool, typer.Option(help="Cancel at once, without a savepoint; the newest checkpoint stays.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Stop the model's job with a savepoint, from which `leeway job submit` restores it."""
    with _working(ctx, model, "Stopping the job") as (opened, chosen):
        savepoint = lifecycle.stop(opened, chosen, kill=kill)
    if as_json:
        show.as_json({"ok": True, "model": chosen.name, "savepoint": savepoint})
        return
    left = f"its savepoint is {savepoint}" if savepoint else "without a savepoint"
    show.note(show.text(f"Stopped the job of {chosen.name}; {left}."))


@app.command()
def restart(ctx: typer.Context, model: ModelName = None, replay: Replay = False, as_json: AsJson = False) -> None:
    """Stop the model's job with a savepoint and start it from that."""
    with _working(ctx, model, "Restarting the job") as (opened, chosen):
        started = lifecycle.restart(opened, chosen, replay=replay)
    _print_started("Restarted", started, as_json=as_json)


@app.command()
def upgrade(ctx: typer.Context, model: ModelName = None, as_json: AsJson = False) -> None:
    """Replace the model's job by one of the current project file, and print whether its state was kept.

    A change of how the job runs (parallelism, checkpoints, restarts) keeps the state. A change of what it counts
    (features, segments, windows, policy, topics) does not: the topics are read from the beginning.
    """
    with _working(ctx, model, "Upgrading the job") as (opened, chosen):
        started = lifecycle.upgrade(opened, chosen)
    _print_started("Upgraded", started, as_json=as_json)


@contextmanager
def _working(ctx: typer.Context, name: str | None, what: str) -> Iterator[tuple[Context, Model]]:
    """Open the project and its model *name*, whose events must be in topics, and show *what* is being done."""
    with context.open(ctx.obj) as opened:
        model = opened.model(name)
        if not job_settings.follows_topics(model):
            msg = f"the events of {model.name} are in directories"
            raise ProjectError(msg, hint="`leeway monitor` reads directories; jobs on a cluster read topics")
        with show.working(f"{show.text(what)} of {show.text(model.name)}"):
            yield opened, model


def _print_started(done: str, started: lifecycle.Started, *, as_json: bool) -> None:
    if as_json:
        show.as_json({"ok": True, **asdict(started)})
        return
    begin = f"from {started.begin}" if started.begin else "from the beginning of its topics"
    why = f" ({started.because})" if started.because else ""
    show.note(show.text(f"{done} {started.name} as {started.id}, {begin}{why}."))
    show.note("[bold]leeway ingest[/] stores its reports in the registry; [bold]leeway job list[/] shows its progress.")
