"""Samples and learners without Flink: the parts of a log, and a fold over them in this process."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from monitors.in_process import training_set_runner
from monitors.samples import history
from monitors.samples.parts import SampleParts
from monitors.training_set import built, period
from monitors.training_set.parts import Sources, Survey, survey
from monitors.training_set.period import TrainingPeriod
from monitors.worker import folds
from retrain_flows.data.event_log import StoredEvents
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import learner_branch
from retrain_flows.training.learner_branch import Branch, BranchPlan
from retrain_flows.training.stream_learner import StreamLearner


def publish(wanted: TrainingPeriod, sources: Sources, folder: Path, work: Path) -> SampleParts:
    """Write the samples of a period of a log into a folder."""
    target = SampleParts(folder)
    target.begin(wanted.schema)
    whole = history.whole_slices(wanted)
    made = survey(whole, sources, Survey()).needed(whole)
    history.publish(built.build(whole, made, work, training_set_runner.run, by_slice=True), target)
    return target


def of_workspace(ws: Workspace, start: datetime, end: datetime, folder: Path) -> SampleParts:
    """Write the samples of a workspace's log from *start* to *end* under a folder."""
    wanted = period.as_of(ws.schema, end + ws.schema.label_delay, start, end)
    return publish(wanted, StoredEvents(ws.schema, ws.events, ws.sets).sources(), folder / "samples", folder / "work")


def learner(ws: Workspace, parts: SampleParts, branch: Branch, trusted: tuple[str, ...] = ()) -> StreamLearner:
    """Return the fold of a branch."""
    root = ws.registry.artifacts.root
    return StreamLearner(ws.schema, parts.folder, branch.folder, root, trusted, ws.project_dir)


def learned(ws: Workspace, parts: SampleParts, plan: BranchPlan, trusted: tuple[str, ...] = ()) -> Branch:
    """Return a new branch that has learned from all parts."""
    branch = learner_branch.begin(ws.state, ws.model, plan)
    folds.in_order(learner(ws, parts, branch, trusted).open(), references(parts))
    return branch


def references(parts: SampleParts) -> list[str]:
    """Return the references to all parts, in order."""
    return [reference for _, reference in folds.SampleListing(parts).all()]
