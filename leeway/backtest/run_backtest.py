"""Runs a backtest: the loop and its reference schedules on one history, measured on the same rows.

The loop runs in this process, with progress; the references run beside it in another. Both use one thread each, so that
two cores are enough, and models of many threads do not wait for one another.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from features.events.decode import ID
from features.schema import PREDICTION, Task
from features.scoring import Values
from leeway.backtest import loop, metrics, references
from leeway.backtest.history import History
from leeway.backtest.learner import BacktestLearner
from leeway.backtest.metrics import Measured
from leeway.project.load import Model
from registry import queries
from registry.records import Decision, Incident, Promotion, RetrainRun, Version
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import permutation_importance, trainer_child

Progress = Callable[[str], None]
RANDOM_SEEDS = (1, 2, 3)
"""Seeds of the schedules of random refits; their mean is shown."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """One way to serve the history.

    Parameters
    ----------
    name
        Its name.
    measured
        What its predictions are worth.
    trainings
        How often it trained; for the loop, its retrain runs.
    promotions
        How often another model came to serve.
    seconds
        How long it took to replay.
    answers
        Its prediction of each labelled row, (rows,).
    """

    name: str
    measured: Measured
    trainings: int
    promotions: int
    seconds: float
    answers: Values


@dataclass(frozen=True, eq=False)
class LoopRun:
    """What the loop did under a policy: its schedule, and all that is on record about its decisions and versions.

    *learner* is the schedule of the learner alone, which serves each slice without a gate; None where there was none.
    """

    policy: str
    schedule: Schedule
    decisions: tuple[Decision, ...]
    incidents: tuple[Incident, ...]
    runs: tuple[RetrainRun, ...]
    promotions: tuple[Promotion, ...]
    versions: tuple[Version, ...]
    learner: Schedule | None = None

    def promoted(self, mode: str) -> int:
        """Return how often a version of a mode came to serve, the first version and those put back left out."""
        return sum(p.kind == "promote" and self.mode(p.to_version) == mode for p in self.promotions)

    def mode(self, version: str) -> str:
        """Return the mode of a version."""
        return next(own.mode for own in self.versions if own.version == version)


@dataclass(frozen=True, eq=False)
class Backtest:
    """A finished backtest: the loop under each policy, the references, and the labelled rows that all answered."""

    history: History
    rows: Dataset
    sd: float
    loops: tuple[LoopRun, ...]
    references: tuple[Schedule, ...]

    def reference(self, name: str) -> Schedule:
        """Return the reference schedule of a name."""
        return next(one for one in self.references if one.name == name)

    def share_of_gain(self, run: LoopRun) -> float:
        """Return the part of what a refit at every step saves that the loop saves, too; NaN if it saves none."""
        static, every = self.reference(STATIC).measured.loss, self.reference(EVERY).measured.loss
        return (static - run.schedule.measured.loss) / (static - every) if static > every else float("nan")


STATIC, EVERY, NO_MODEL, LEARNER = "static", "refit at every step", "no model", "learner alone, without a gate"


@dataclass(frozen=True, eq=False)
class _Task:
    """What a process needs to replay a history."""

    history: History
    model: Model
    folder: Path
    rows: Dataset
    labelled: Dataset
    sd: float


def run(history: History, models: Sequence[tuple[str, Model]], folder: Path, progress: Progress) -> Backtest:
    """Replay a history under each policy and by the reference schedules.

    Parameters
    ----------
    history
        The labelled history.
    models
        The model's settings under each policy, by name; the first one's trainer is that of the references.
    folder
        The folder that trainers are imported from.
    progress
        Called with where the replay is, in words.

    Raises
    ------
    TrainerError
        The trainer raised, or its model cannot be stored.
    NotEnoughData
        The first training period has too few labelled rows.
    """
    labelled = history.labelled(history.start, history.end)
    rows = labelled.split(history.cut)[1]
    sd = permutation_importance.target_sd(labelled.split(history.cut)[0].target)
    task = _Task(history, models[0][1], folder, rows, labelled, sd)
    spawn = multiprocessing.get_context("spawn")
    with _one_thread(), ProcessPoolExecutor(1, spawn, initializer=trainer_child.end_with_parent) as pool:
        fixed = pool.submit(_fixed_references, task)
        loops = tuple(
            _loop(_Task(history, model, folder, rows, labelled, sd), name, progress) for name, model in models
        )
        progress("the reference schedules are being replayed")
        same = pool.submit(_references_of_number, task, loops[0].schedule.promotions)
        alone = [run.learner for run in loops if run.learner is not None][:1]
        return Backtest(history, rows, sd, loops, (*fixed.result(), *alone, *same.result()))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit numeric libraries to one thread, here and in the processes that are started meanwhile."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        with threadpool_limits(1):
            yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _loop(task: _Task, policy: str, progress: Progress) -> LoopRun:
    """Replay the history with the model's settings, and return what was served and decided."""
    begun = time.perf_counter()
    with loop.opened(task.history, task.model, task.folder) as backtest:
        served = backtest.run(progress)
        reg, name = backtest.workspace.registry, task.model.name
        runs, promotions = tuple(queries.runs(reg, name)), tuple(queries.promotions(reg, name))
        decisions, incidents = tuple(queries.decisions(reg, name)), tuple(queries.incidents(reg, name))
        versions, learner = tuple(queries.versions(reg, name)), _learner_alone(backtest.learner, task)
    answers = aligned(served, task.rows)
    measured, seconds = metrics.measure(task.rows, answers, task.sd), time.perf_counter() - begun
    schedule = Schedule(f"leeway ({policy})", measured, len(runs), _later(promotions), seconds, answers)
    return LoopRun(policy, schedule, decisions, incidents, runs, promotions, versions, learner)


def _learner_alone(learner: BacktestLearner | None, task: _Task) -> Schedule | None:
    if learner is None:
        return None
    answers = learner.answers(task.rows)
    return Schedule(LEARNER, metrics.measure(task.rows, answers, task.sd), 0, 0, learner.seconds, answers)


def _later(promotions: Sequence[Promotion]) -> int:
    """Return how often another model came to serve, after the first: that may be two, of before and since a change."""
    return sum(one.kind != "bootstrap" for one in promotions)


def _refitter(task: _Task) -> references.Refitter:
    assert task.model.retrain is not None  # the history could not be read without a trainer
    return references.Refitter(task.history, task.labelled, task.model.retrain, task.folder)


def _fixed_references(task: _Task) -> list[Schedule]:
    """Return the references that do not depend on what the loop did."""
    refitter, step = _refitter(task), task.model.schema.windows.size
    runs = [refitter.constant(NO_MODEL), refitter.run(STATIC, []),
            refitter.run(EVERY, references.every_step(task.history, step))]  # fmt: skip
    return [_measured(run, task) for run in runs]


def _references_of_number(task: _Task, number: int) -> list[Schedule]:
    """Return evenly spaced and random refits of the number of the loop's promotions; none for 0."""
    if number == 0:
        return []
    refitter, refits = _refitter(task), f"{number} refit{'' if number == 1 else 's'}"
    even = _measured(refitter.run(f"{refits}, evenly spaced", references.evenly_spaced(task.history, number)), task)
    drawn = [_measured(refitter.run("", references.at_random(task.history, number, seed)), task)
             for seed in RANDOM_SEEDS]  # fmt: skip
    mean = Measured(
        metric=float(np.mean([one.measured.metric for one in drawn])),
        loss=float(np.mean([one.measured.loss for one in drawn])),
        rows=drawn[0].measured.rows,
    )
    seconds = float(np.mean([one.seconds for one in drawn]))
    name = f"{refits} at random (mean of {len(drawn)})"
    return [even, Schedule(name, mean, number, number, seconds, drawn[0].answers)]


def _measured(run: references.ReferenceRun, task: _Task) -> Schedule:
    measured = metrics.measure(task.rows, run.answers, task.sd)
    return Schedule(run.name, measured, run.refits, run.refits, run.seconds, run.answers)


def aligned(served: pa.Table, rows: Dataset) -> Values:
    """Return the served predictions, in order of time, of labelled rows, (rows,): of an id the first; or missing."""
    by_id = dict(zip(served[ID].to_pylist()[::-1], served[PREDICTION].to_pylist()[::-1], strict=True))  # the last stays
    values = [by_id.get(i) for i in rows.ids]
    if rows.task is Task.MULTICLASS:
        return np.array(values, dtype=object)
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
