"""A running learner, in this process or on the cluster: it ends when its branch is rolled back."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from features import errors
from features.security.file_names import file_name
from leeway import learner_branch
from leeway.context import Context
from leeway.project.load import Model
from leeway.streaming import learner_job, lifecycle
from leeway.streaming.job_kinds import LEARNER
from monitors.flink import fold_job
from monitors.report import canonical
from retrain_flows.training.learner_branch import Branch


@contextmanager
def here(opened: Context, model: Model, branch: Branch) -> Iterator[Callable[[], int]]:
    """Run the job in this process; the callable looks at it once.

    Raises
    ------
    IllegalMove
        The branch was rolled back.
    """
    parts, logs = learner_branch.samples(opened, model), opened.dir / "logs"
    text = f"{canonical(model.schema)}\0{parts.folder}\0{branch.folder.resolve()}"
    name = f"learner-{file_name(model.name)}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    job = fold_job.follow(learner_job.fold(opened, model, branch), parts, logs, opened.dir / "checkpoints" / name)
    try:
        yield lambda: _look(opened, model, branch, job.check)
    finally:
        job.stop()


@contextmanager
def on_cluster(opened: Context, model: Model, branch: Branch) -> Iterator[Callable[[], int]]:
    """Have the job run on the cluster, where it continues when the block ends, unless its branch was rolled back."""
    with lifecycle.running(opened, model, LEARNER) as check:
        try:
            yield lambda: _look(opened, model, branch, check)
        except errors.IllegalMove:
            lifecycle.stop(opened, model, LEARNER, kill=True)
            raise


def _look(opened: Context, model: Model, branch: Branch, check: Callable[[], None]) -> int:
    """Look at the job and at its branch; a job that `leeway learner stop` has ended is no failure."""
    try:
        check()
    except errors.EngineError:
        if branch.stop_file.exists():
            return 0
        raise
    with contextlib.suppress(errors.Outage):  # without a registry it learns on
        learner_branch.require_going(opened, model, branch)
    return 0
