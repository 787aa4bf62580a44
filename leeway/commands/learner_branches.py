"""`leeway learner fork` and `reset`: where a learner begins anew, and what the group's commands share."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from features import errors
from features.window import UTC, from_ms, to_ms
from leeway import context
from leeway import learner_branch as own_branch
from leeway.commands.options import TIME_FORMATS, AsJson, ModelName
from leeway.context import Context
from leeway.project.load import Model
from leeway.terminal import show
from registry import queries
from retrain_flows.training import learner_branch
from retrain_flows.training.learner_branch import Branch, BranchPlan, Snapshot

Since = Annotated[
    datetime | None, typer.Option("--from", formats=TIME_FORMATS, help="Ignore samples before this time, in UTC.")
]
Because = Annotated[str, typer.Option(help="The reason, stored with the branch.")]


def fork(
    ctx: typer.Context,
    because: Because,
    at: Annotated[str | None, typer.Option(help="The first characters of the snapshot's digest.")] = None,
    start: Since = None,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Begin a new branch from a snapshot.

    By default this is the snapshot that serves; otherwise the newest one, or, after a rollback, the newest before the
    snapshot that was rolled back. The new branch learns from the samples after its snapshot; after a rollback, only
    from those after the snapshot that was rolled back.
    """
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        before = own_branch.existing(opened, chosen)
        with own_branch.alone(opened, chosen):
            back = learner_branch.rolled_back(opened.registry, chosen.name, before)
            snapshot = _snapshot(opened, chosen, before, back, at)
            since = to_ms(start.replace(tzinfo=UTC)) if start else (back or snapshot).end
            plan = BranchPlan(before.plan.trainer, since, before.plan.snapshot_every, before.plan.classes,
                              snapshot.digest, snapshot.learned, before.number, because,
                              own_branch.label_sd(opened, chosen))  # fmt: skip
            branch = learner_branch.begin(opened.dir, chosen.name, plan)
    what = f"continues {snapshot.digest[:12]}, with samples from {from_ms(since):%Y-%m-%d %H:%M} on."
    print_done(chosen, branch, what, as_json=as_json)


def reset(
    ctx: typer.Context, because: Because, start: Since = None, model: ModelName = None, as_json: AsJson = False
) -> None:
    """Begin a new branch with an untrained model from the trainer."""
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        with own_branch.alone(opened, chosen):
            since = to_ms(start.replace(tzinfo=UTC)) if start else 0
            branch = learner_branch.begin(opened.dir, chosen.name, own_branch.new_plan(opened, chosen, since, because))
    print_done(chosen, branch, "begins with a new model.", as_json=as_json)


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


def print_done(model: Model, branch: Branch, what: str, *, as_json: bool) -> None:
    """Print what has become of a branch."""
    if as_json:
        show.as_json({"ok": True, "model": model.name, "branch": branch.number, "plan": asdict(branch.plan)})
        return
    show.note(show.text(f"{model.name}, branch {branch.number}: {what}"))
