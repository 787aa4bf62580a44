"""`leeway learner fork` and `reset`: where a learner begins anew, and what the group's commands share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import filelock
import typer

from features import errors
from features.schema import Task
from features.window import UTC, from_ms, to_ms
from leeway import context
from leeway.commands import samples as samples_commands
from leeway.commands.options import TIME_FORMATS, AsJson, ModelName
from leeway.context import Context
from leeway.project.load import Model
from leeway.terminal import show
from registry import queries
from retrain_flows.data import sample_rows
from retrain_flows.training import learner_branch
from retrain_flows.training.learner_branch import Branch, BranchPlan, Snapshot

Since = Annotated[
    datetime | None, typer.Option("--from", formats=TIME_FORMATS, help="Learn from no sample before this, in UTC.")
]
Because = Annotated[str, typer.Option(help="Why, for the record.")]


def fork(
    ctx: typer.Context,
    because: Because,
    at: Annotated[str | None, typer.Option(help="The snapshot, by the first characters of its digest.")] = None,
    start: Since = None,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Begin a new branch from a snapshot.

    By default it is the one that serves; else the newest, or the one before that which was rolled back. The new branch
    learns from the samples after the snapshot, and after a roll-back from those after what was rolled back.
    """
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        before = existing(opened, chosen)
        with alone(opened, chosen):
            back = learner_branch.rolled_back(opened.registry, chosen.name, before)
            snapshot = _snapshot(opened, chosen, before, back, at)
            since = to_ms(start.replace(tzinfo=UTC)) if start else (back or snapshot).end
            plan = BranchPlan(before.plan.trainer, since, before.plan.snapshot_every, before.plan.classes,
                              snapshot.digest, snapshot.learned, before.number, because)  # fmt: skip
            branch = learner_branch.begin(opened.dir, chosen.name, plan)
    what = f"continues {snapshot.digest[:12]}, with samples from {from_ms(since):%Y-%m-%d %H:%M} on."
    print_done(chosen, branch, what, as_json=as_json)


def reset(
    ctx: typer.Context, because: Because, start: Since = None, model: ModelName = None, as_json: AsJson = False
) -> None:
    """Begin a new branch with a new model of the trainer."""
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        with alone(opened, chosen):
            since = to_ms(start.replace(tzinfo=UTC)) if start else 0
            branch = learner_branch.begin(opened.dir, chosen.name, new_plan(opened, chosen, since, because))
    print_done(chosen, branch, "begins with a new model.", as_json=as_json)


def new_plan(opened: Context, model: Model, since: int, because: str) -> BranchPlan:
    """Return the plan of a branch with a new model."""
    if model.retrain is None or model.retrain.online is None:
        msg = f"{model.name} has no online trainer"
        raise errors.ProjectError(msg, hint="set retrain.online in the project file")
    parts = samples_commands.folder(opened, model)
    parts.begin(model.schema)
    classes = sample_rows.label_classes(model.schema, parts)
    if model.schema.task is Task.MULTICLASS and not classes:
        msg = f"there are no samples of {model.name} yet, from which a learner takes the classes of labels"
        raise errors.NotEnoughData(msg, hint="`leeway samples build` writes those of the log")
    return BranchPlan(model.retrain.online, since, to_ms(model.schema.windows.slide), classes, because=because)


def existing(opened: Context, model: Model) -> Branch:
    """Return the branch that learns; NotFound where there is none."""
    branch = learner_branch.newest(opened.dir, model.name)
    if branch is None:
        msg = f"{model.name} has no learner yet"
        raise errors.NotFound(msg, hint="`leeway learner run` begins one")
    return branch


def _snapshot(opened: Context, model: Model, branch: Branch, back: Snapshot | None, at: str | None) -> Snapshot:
    """Return the snapshot to fork at."""
    own = branch.snapshots()
    if at is not None:
        chosen = [s for s in own if s.digest.startswith(at)]
    else:
        champion = queries.champion(opened.registry, model.name)
        serving = queries.version(opened.registry, model.name, champion.version).artifact if champion else None
        earlier = [s for s in own if back is None or s.end < back.end]
        chosen = [s for s in earlier if s.digest == serving] or earlier
    if not chosen:
        msg = f"branch {branch.number} of {model.name} has no such snapshot"
        raise errors.NotFound(msg, hint="`leeway learner status` lists them; `leeway learner reset` begins anew")
    return chosen[-1]


@contextmanager
def alone(opened: Context, model: Model) -> Iterator[None]:
    """Hold the learner of a model for this process."""
    path = learner_branch.folder(opened.dir, model.name) / ".lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(path, timeout=0):
            yield
    except filelock.Timeout as error:
        msg = f"the learner of {model.name} runs in another process"
        raise errors.IllegalMove(msg, hint="`leeway learner stop` ends it") from error


def print_done(model: Model, branch: Branch, what: str, *, as_json: bool) -> None:
    """Print what has become of a branch."""
    if as_json:
        show.as_json({"ok": True, "model": model.name, "branch": branch.number, "plan": asdict(branch.plan)})
        return
    show.note(show.text(f"{model.name}, branch {branch.number}: {what}"))
