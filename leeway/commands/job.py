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
from leeway.streaming.job_kinds import KINDS, MONITOR, JobKind
from leeway.terminal import show


def _kind(name: str | JobKind) -> JobKind:
    """Return a kind of job by its name; a kind, which is the default, as it is."""
    if isinstance(name, JobKind):
        return name
    if name not in KINDS:
        msg = f"{name!r} is none of {', '.join(KINDS)}"
        raise typer.BadParameter(msg, param_hint="--kind")
    return KINDS[name]


app = typer.Typer(no_args_is_help=True, help="Start, stop and replace streaming jobs on the Flink cluster.")
_WHICH = f"Which job: {', '.join(KINDS)}."
Kind = Annotated[JobKind, typer.Option("--kind", parser=_kind, metavar="KIND", show_default="monitor", help=_WHICH)]
Replay = Annotated[
    bool, typer.Option(help="Read the topics from their beginning instead of restoring the job's state.")
]


def register(main: typer.Typer) -> None:
    """Add the group of commands to *main*."""
    main.add_typer(app, name="job")


@app.command()
def submit(
    ctx: typer.Context, model: ModelName = None, kind: Kind = MONITOR, replay: Replay = False, as_json: AsJson = False
) -> None:
    """Start a job of the model, restored from its newest savepoint or checkpoint if it has run before."""
    with _working(ctx, model, kind, "Sending the job to Flink") as (opened, chosen):
        started = lifecycle.submit(opened, chosen, kind, replay=replay)
    _print_started("Started", started, kind, as_json=as_json)


@app.command("list")
def list_jobs(
    ctx: typer.Context,
    ended: Annotated[bool, typer.Option(help="Show ended jobs too, as far as Flink still lists them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the jobs of all models: state, watermark, lag in event time, and records not read yet.

    `watermark` is the event time that a job has reached: windows that end before it are closed. `lag` is how far it is
    behind the newest event of the topics, `behind` the number of records that its last checkpoint has not read.
    """
    with context.open(ctx.obj) as opened:
        jobs = [(m, kind) for m in opened.project.models.values() for kind in KINDS.values() if kind.wanted(m)]
        rows = [row for m, kind in jobs for row in _rows(opened, m, kind, ended=ended)]
    columns = ("model", "kind", "job", "state", "since", "checkpoints", "state bytes", "watermark", "lag", "behind",
               "file")  # fmt: skip
    if as_json:
        keys = [column.replace(" ", "_") for column in columns]
        show.as_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    show.table("Jobs", columns, rows)


def _rows(opened: Context, model: Model, kind: JobKind, *, ended: bool) -> list[tuple[object, ...]]:
    """Return a row for each job of a kind as `leeway job list` shows it; one row where none is running."""
    flink, current_name = lifecycle.cluster(opened), kind.cluster_name(opened, model)
    jobs = [job for job in lifecycle.all_of(opened, model, kind) if ended or not job.ended]
    rows: list[tuple[object, ...]] = []
    for job in jobs:
        checkpoints, watermark = flink.checkpoints(job), None if job.ended else flink.watermark(job)
        sources = () if job.ended else kind.sources(model)
        newest = job_settings.newest_event(sources[0]) if sources and watermark else None
        lag = newest - watermark if newest and watermark else None
        behind = job_settings.behind(kind.group(opened, model), sources) if sources else None
        rows.append((model.name, kind.name, job.id, job.state.lower(), job.started, checkpoints.completed,
                     checkpoints.size, watermark, lag, behind,
                     "unchanged" if job.name == current_name else "changed: upgrade"))  # fmt: skip
    return rows or [(model.name, kind.name, None, "not running", *[None] * 7)]


@app.command()
def stop(
    ctx: typer.Context,
    model: ModelName = None,
    kind: Kind = MONITOR,
    kill: Annotated[
        bool, typer.Option(help="Cancel at once, without a savepoint; the newest checkpoint stays.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Stop a job of the model with a savepoint, from which `leeway job submit` restores it."""
    with _working(ctx, model, kind, "Stopping the job") as (opened, chosen):
        savepoint = lifecycle.stop(opened, chosen, kind, kill=kill)
    if as_json:
        show.as_json({"ok": True, "model": chosen.name, "savepoint": savepoint})
        return
    left = f"its savepoint is {savepoint}" if savepoint else "without a savepoint"
    show.note(show.text(f"Stopped the job of {chosen.name}; {left}."))


@app.command()
def restart(
    ctx: typer.Context, model: ModelName = None, kind: Kind = MONITOR, replay: Replay = False, as_json: AsJson = False
) -> None:
    """Stop a job of the model with a savepoint and start it from that."""
    with _working(ctx, model, kind, "Restarting the job") as (opened, chosen):
        started = lifecycle.restart(opened, chosen, kind, replay=replay)
    _print_started("Restarted", started, kind, as_json=as_json)


@app.command()
def upgrade(ctx: typer.Context, model: ModelName = None, kind: Kind = MONITOR, as_json: AsJson = False) -> None:
    """Replace a job of the model by one of the current project file, and print whether its state was kept.

    A change of how the job runs (parallelism, checkpoints, restarts) keeps the state. A change of what it counts
    (features, segments, windows, policy, topics) does not: the topics are read from the beginning.
    """
    with _working(ctx, model, kind, "Upgrading the job") as (opened, chosen):
        started = lifecycle.upgrade(opened, chosen, kind)
    _print_started("Upgraded", started, kind, as_json=as_json)


@contextmanager
def _working(ctx: typer.Context, name: str | None, kind: JobKind, what: str) -> Iterator[tuple[Context, Model]]:
    """Open the project and its model *name*, which must have a job of the kind, and show *what* is being done."""
    with context.open(ctx.obj) as opened:
        model = opened.model(name)
        if not kind.wanted(model):
            why, fix = kind.missing
            msg = f"{model.name} has no {kind.name} job: {why}"
            raise ProjectError(msg, hint=fix)
        with show.working(f"{show.text(what)} of {show.text(model.name)}"):
            yield opened, model


def _print_started(done: str, started: lifecycle.Started, kind: JobKind, *, as_json: bool) -> None:
    if as_json:
        show.as_json({"ok": True, **asdict(started)})
        return
    begin = f"from {started.begin}" if started.begin else kind.begins
    why = f" ({started.because})" if started.because else ""
    show.note(show.text(f"{done} {started.name} as {started.id}, {begin}{why}."))
    command, what = kind.beside
    show.note(f"[bold]{show.text(command)}[/] {show.text(what)}; [bold]leeway job list[/] shows its progress.")
