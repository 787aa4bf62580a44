"""The learner's job: its branch, its names, its start."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import features
import monitors
import registry
import retrain_flows
from leeway import learner_branch
from leeway.context import Context
from leeway.project.load import Model
from leeway.streaming import job_settings
from monitors.flink import deploy_job, fold_job
from monitors.report import canonical
from retrain_flows.training.hash_seed import FixedSeedLearner
from retrain_flows.training.learner_branch import Branch
from retrain_flows.training.stream_learner import StreamLearner

_ROOMS = (features, monitors, registry, retrain_flows)


def fold(opened: Context, model: Model, branch: Branch) -> FixedSeedLearner:
    """Return what the job does with each part of the samples."""
    parts = learner_branch.samples(opened, model)
    parts.begin(model.schema)
    learner = StreamLearner(model.schema, parts.folder, branch.folder.resolve(), opened.artifacts.root.resolve(),
                            model.trusted, opened.project.folder)  # fmt: skip
    return FixedSeedLearner(learner)


def job_name(opened: Context, model: Model) -> str:
    """Return the job's name, which depends on the model's events, its samples, and the branch."""
    parts, folder = learner_branch.samples(opened, model), learner_branch.folder(opened, model)
    text = f"{canonical(model.schema)}\0{parts.folder}\0{folder.resolve()}"
    return f"{model.name}.learner-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def start(opened: Context, model: Model, name: str, begin: Path | str | None) -> Any:
    """Start the job; return its ``TableResult``.

    Raises
    ------
    IllegalMove
        The branch has ended.
    """
    branch = learner_branch.current(opened, model)
    learner_branch.require_going(opened, model, branch)
    how = job_settings.deployment(opened, model, name, _ROOMS)
    submit = partial(fold_job.submit, fold=fold(opened, model, branch), samples=learner_branch.samples(opened, model))
    # The state is of one key: a second subtask would have nothing to do.
    options = {**deploy_job.engine_options(how), **fold_job.OPTIONS, "parallelism.default": "1"}
    return deploy_job.launch(submit, how, options, begin)
