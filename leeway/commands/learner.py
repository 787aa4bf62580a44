"""`leeway learner`: a model that learns in the stream of samples, its snapshots, and where it begins anew."""

from __future__ import annotations

import contextlib
import hashlib
import time
from typing import Annotated, Any

import typer

from features import errors
from features.security.file_names import file_name
from leeway import context, learner_state
from leeway.commands import learner_branches
from leeway.commands import samples as samples_commands
from leeway.commands.options import AsJson, ModelName, until_stopped
from leeway.context import Context
from leeway.project.load import Model
from leeway.terminal import show
from monitors.report import canonical
from retrain_flows.training import learner_branch
from retrain_flows.training.learner_branch import Branch
from retrain_flows.training.stream_learner import StreamLearner

app = typer.Typer(no_args_is_help=True, help="A model that learns in the stream: run, look at, fork, reset.")
_LOOK_SECONDS = 0.5
"""How often job, registry and stop file are looked at."""


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
        bool, typer.Option(help="Learn all samples that are there from the beginning, in a Flink batch job, and end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Learn from the samples as they appear, until stopped; every slice is predicted before it is learned from.

    A streaming Flink job with the model in its checkpoints: after a stop or a crash the same command goes on where it
    was. Snapshots are candidates of `leeway retrain`; none is served unless it passes the gate. A branch whose snapshot
    was promoted and rolled back ends: `leeway learner fork` begins a new one.
    """
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        with learner_branches.alone(opened, chosen):
            branch = _branch(opened, chosen)
            _require_going(opened, chosen, branch)
            _learn(opened, chosen, branch, once=once)
        about = learner_state.read(opened, chosen)
    _print(about, as_json=as_json)


@app.command()
def status(ctx: typer.Context, model: ModelName = None, as_json: AsJson = False) -> None:
    """Show how far the learner is, its prequential loss, and its snapshots."""
    with context.open(ctx.obj) as opened:
        about = learner_state.read(opened, opened.model(model))
    _print(about, as_json=as_json)


@app.command()
def stop(ctx: typer.Context, model: ModelName = None, as_json: AsJson = False) -> None:
    """End the command that runs the learner, wherever it runs on this state folder; nothing is lost."""
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        branch = learner_branches.existing(opened, chosen)
        branch.stop_file.touch()
    learner_branches.print_done(chosen, branch, "stops; `leeway learner run` goes on.", as_json=as_json)


def _branch(opened: Context, model: Model) -> Branch:
    """Return the branch that learns; the first one is begun."""
    branch = learner_branch.newest(opened.dir, model.name)
    if branch is None:
        branch = learner_branch.begin(opened.dir, model.name, learner_branches.new_plan(opened, model, 0, "the first"))
    wanted = model.retrain.online if model.retrain else None
    if branch.plan.trainer != wanted:
        msg = f"branch {branch.number} learns by {branch.plan.trainer}, and retrain.online is {wanted}"
        raise errors.ProjectError(msg, hint="`leeway learner reset` begins a branch with the new one")
    return branch


def _require_going(opened: Context, model: Model, branch: Branch) -> None:
    """Raise IllegalMove if a snapshot of the branch was rolled back."""
    back = learner_branch.rolled_back(opened.registry, model.name, branch)
    if back is not None:
        msg = f"snapshot {back.digest[:12]} of branch {branch.number} was promoted and rolled back, so the branch ends"
        raise errors.IllegalMove(
            msg, hint="`leeway learner fork` goes on from an earlier snapshot, without its samples"
        )


def _learn(opened: Context, model: Model, branch: Branch, *, once: bool) -> None:
    """Run the job, to the end of what is there or until it is stopped."""
    from monitors.flink import fold_job  # Flink is not imported where it is not used

    parts = samples_commands.folder(opened, model)
    parts.begin(model.schema)
    trusted = tuple(model.retrain.trust) if model.retrain else ()
    fold = StreamLearner(model.schema, parts.folder, branch.folder.resolve(), opened.artifacts.root.resolve(), trusted,
                         opened.project.folder)  # fmt: skip
    logs = opened.dir / "logs"
    if once:
        with show.working(f"Learning the samples of {show.text(model.name)}"):
            fold_job.run(fold, parts, logs)
        return
    text = f"{canonical(model.schema)}\0{parts.folder}\0{branch.folder.resolve()}"
    name = f"learner-{file_name(model.name)}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    branch.stop_file.unlink(missing_ok=True)
    show.note_on_stderr(show.text(f"Learning from {parts.folder}; Ctrl-C stops. Flink is starting..."))
    with until_stopped():
        job = fold_job.follow(fold, parts, logs, opened.dir / "checkpoints" / name)
        lines = show.ProgressLines()
        try:
            while not branch.stop_file.exists():
                job.check()
                with contextlib.suppress(errors.Outage):  # without a registry it learns on
                    _require_going(opened, model, branch)
                lines.print(learner_state.progress_text(branch.progress()))
                time.sleep(_LOOK_SECONDS)
        except KeyboardInterrupt:
            pass
        finally:
            job.stop()
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
