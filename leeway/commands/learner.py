"""`leeway learner`: a model that learns in the stream of samples, its snapshots, and where it begins anew."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from leeway import context, learner_branch, learner_state
from leeway.commands import following, learner_branches
from leeway.commands.options import AsJson, ModelName
from leeway.context import Context
from leeway.project.load import Model
from leeway.terminal import show
from retrain_flows.training.learner_branch import Branch

app = typer.Typer(
    no_args_is_help=True, help="Online model that learns from the stream of samples: run, inspect, fork, reset."
)


app.command("fork")(learner_branches.fork)
app.command("reset")(learner_branches.reset)


def register(main: typer.Typer) -> None:
    """Add the group of commands to *main*."""
    main.add_typer(app, name="learner")


@app.command()
def run(
    ctx: typer.Context,
    model: ModelName = None,
    once: Annotated[
        bool, typer.Option(help="Learn all existing samples from the beginning in a Flink batch job, then stop.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Learn from the samples as they appear, until stopped. Each slice is predicted before the model learns from it.

    This is a streaming Flink job with the model in its checkpoints: after a stop or a crash the same command resumes.
    Snapshots are candidates of `leeway retrain`; none is served unless it passes the gate. A branch ends when its
    snapshot is rolled back after a promotion; `leeway learner fork` begins a new one.
    """
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        with learner_branch.alone(opened, chosen):
            branch = learner_branch.current(opened, chosen)
            learner_branch.require_going(opened, chosen, branch)
            _learn(opened, chosen, branch, once=once)
        about = learner_state.read(opened, chosen)
    _print(about, as_json=as_json)


@app.command()
def status(ctx: typer.Context, model: ModelName = None, as_json: AsJson = False) -> None:
    """Show the learner's progress, its prequential loss, and its snapshots."""
    with context.open(ctx.obj) as opened:
        about = learner_state.read(opened, opened.model(model))
    _print(about, as_json=as_json)


@app.command()
def stop(ctx: typer.Context, model: ModelName = None, as_json: AsJson = False) -> None:
    """Stop the learner: the running command of this state folder, and its job on the cluster. Nothing is lost."""
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        branch = learner_branch.existing(opened, chosen)
        branch.stop_file.touch()
        if opened.project.flink.address is not None:
            _stop_job(opened, chosen)
    learner_branches.print_done(chosen, branch, "stops; `leeway learner run` goes on.", as_json=as_json)


def _stop_job(opened: Context, model: Model) -> None:
    """Stop the learner's job on the cluster with a savepoint, if there is one."""
    from leeway.streaming import lifecycle
    from leeway.streaming.job_kinds import LEARNER

    if lifecycle.is_at_work(opened, model, LEARNER):
        lifecycle.stop(opened, model, LEARNER)


def _learn(opened: Context, model: Model, branch: Branch, *, once: bool) -> None:
    """Run the job, to the end of what is there or until it is stopped."""
    from leeway.streaming import follow_learner, learner_job  # Flink is not imported where it is not used
    from monitors.flink import fold_job

    parts = learner_branch.samples(opened, model)
    if once:
        fold = learner_job.fold(opened, model, branch)
        with show.working(f"Learning the samples of {show.text(model.name)}"):
            fold_job.run(fold, parts, opened.dir / "logs")
        return
    branch.stop_file.unlink(missing_ok=True)
    show.note_on_stderr(show.text(f"Learning from {parts.folder}; Ctrl-C stops. Flink is starting..."))
    opening = follow_learner.here if opened.project.flink.address is None else follow_learner.on_cluster
    try:
        following.follow(
            partial(opening, opened, model, branch), lambda: learner_state.progress_text(branch.progress()),
            following.noter(model.name), branch.stop_file.exists,
        )  # fmt: skip
    finally:
        branch.stop_file.unlink(missing_ok=True)


def _print(about: dict[str, Any], *, as_json: bool) -> None:
    """Print how far the learner is, and its newest snapshots."""
    if as_json:
        show.as_json(about)
        return
    if about["branch"] is None:
        show.note(f"{show.text(about['model'])} has no learner yet; [bold]leeway learner run[/] begins one.")
        return
    ended = f"; ended: {about['ended']}" if about["ended"] else ""
    show.note(show.text(f"{about['model']}, branch {about['branch']}: {about['text']}{ended}"))
    newest = about["snapshots"][-10:]
    columns = ("snapshot", "samples until", "labels final at", "learned", "prequential loss", "version")
    show.table("Newest snapshots", columns, [
        (s["digest"][:12], s["end"], s["mark"], s["learned"], s["loss"], s["version"]) for s in newest
    ])  # fmt: skip
