"""Which branch of a model's learner learns, and where its samples are: for the commands, without an engine."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from features import errors
from features.files import lock_file
from features.schema import LABEL, Task
from features.security.file_names import file_name
from features.window import to_ms
from leeway.context import Context
from leeway.project.load import Model
from monitors.profiles import outcome_counts
from monitors.samples.parts import SampleParts
from registry import queries
from retrain_flows.data import sample_rows
from retrain_flows.training import learner_branch as branches
from retrain_flows.training.learner_branch import Branch, BranchPlan


def is_wanted(model: Model) -> bool:
    """Return whether something learns in the stream of the model's samples (`retrain.online`)."""
    return model.retrain is not None and model.retrain.online is not None


def samples(opened: Context, model: Model, out: Path | None = None) -> SampleParts:
    """Return the parts of a model's samples."""
    return SampleParts((out or opened.dir / "samples" / file_name(model.name)).resolve())


def newest(opened: Context, model: Model) -> Branch | None:
    """Return the branch that was begun last; None where there is none."""
    return branches.newest(opened.dir, model.name)


def folder(opened: Context, model: Model) -> Path:
    """Return the folder of the branch that learns, or will once it is begun."""
    branch = newest(opened, model)
    return branch.folder if branch else branches.folder(opened.dir, model.name) / branches.FIRST


def new_plan(opened: Context, model: Model, since: int, because: str) -> BranchPlan:
    """Return the plan of a branch with a new model."""
    if model.retrain is None or model.retrain.online is None:
        msg = f"{model.name} has no online trainer"
        raise errors.ProjectError(msg, hint="set retrain.online in the project file")
    parts = samples(opened, model)
    parts.begin(model.schema)
    classes = sample_rows.label_classes(model.schema, parts)
    if model.schema.task is Task.MULTICLASS and not classes:
        msg = f"there are no samples of {model.name} yet, from which a learner takes the classes of labels"
        raise errors.NotEnoughData(msg, hint="`leeway samples build` writes those of the log")
    sd, slide = label_sd(opened, model), to_ms(model.schema.windows.slide)
    return BranchPlan(model.retrain.online, since, slide, classes, because=because, sd=sd)


def label_sd(opened: Context, model: Model) -> float:
    """Return the standard deviation of labels, the unit of a regression's losses; 1 for other tasks.

    It is that of the champion's baseline, as in retrains and status; without one, that of the samples that are there.
    """
    if model.schema.task is not Task.REGRESSION:
        return 1.0
    champion = queries.champion(opened.registry, model.name)
    baseline = queries.baseline_of(opened.registry, model.name, champion.version) if champion else None
    if baseline and LABEL in baseline.bins:
        return outcome_counts.label_sd(baseline.bins)
    return sample_rows.label_sd(model.schema, samples(opened, model))


def existing(opened: Context, model: Model) -> Branch:
    """Return the branch that learns; NotFound where there is none."""
    branch = newest(opened, model)
    if branch is None:
        msg = f"{model.name} has no learner yet"
        raise errors.NotFound(msg, hint="`leeway learner run` begins one")
    return branch


def current(opened: Context, model: Model) -> Branch:
    """Return the branch that learns; the first one is begun.

    Raises
    ------
    ProjectError
        It learns by another trainer than the project file names.
    """
    branch = newest(opened, model)
    if branch is None:
        branch = branches.begin(opened.dir, model.name, new_plan(opened, model, 0, "the first"))
    trainer = model.retrain.online if model.retrain else None
    if branch.plan.trainer != trainer:
        msg = f"branch {branch.number} learns by {branch.plan.trainer}, and retrain.online is {trainer}"
        raise errors.ProjectError(msg, hint="`leeway learner reset` begins a branch with the new one")
    return branch


def require_going(opened: Context, model: Model, branch: Branch) -> None:
    """Raise IllegalMove if a snapshot of the branch was rolled back."""
    back = branches.rolled_back(opened.registry, model.name, branch)
    if back is not None:
        msg = f"snapshot {back.digest[:12]} of branch {branch.number} was promoted and rolled back, so the branch ends"
        raise errors.IllegalMove(
            msg, hint="`leeway learner fork` goes on from an earlier snapshot, without its samples"
        )


def alone(opened: Context, model: Model) -> AbstractContextManager[None]:
    """Hold the learner of a model for this process."""
    msg = f"the learner of {model.name} runs in another process"
    busy = errors.IllegalMove(msg, hint="`leeway learner stop` ends it")
    return lock_file.exclusive(branches.folder(opened.dir, model.name) / ".lock", busy)
