"""Runs a backtest: the loop and its reference schedules on one history, measured on the same rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from features import scoring
from features.events.decode import ID
from features.schema import PREDICTION, Task
from features.scoring import Values
from leeway.backtest import loop, metrics, references
from leeway.backtest.history import History
from leeway.backtest.metrics import Measured
from leeway.project.load import Model
from registry import queries
from registry.records import Decision, Promotion, RetrainRun
from retrain_flows.data.dataset import Dataset

Progress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Schedule:
    """One way to serve the history: its name, what its predictions are worth, how often it trained, and how long."""

    name: str
    measured: Measured
    trainings: int
    promotions: int
    seconds: float
    answers: Values


@dataclass(frozen=True, eq=False)
class LoopRun:
    """What the loop did: its schedule, and its record of decisions, runs and promotions."""

    schedule: Schedule
    decisions: tuple[Decision, ...]
    runs: tuple[RetrainRun, ...]
    promotions: tuple[Promotion, ...]


def run_loop(history: History, model: Model, folder: Path, rows: Dataset, sd: float, progress: Progress) -> LoopRun:
    """Replay the history with the model's settings, and return what was served and decided."""
    begun = time.perf_counter()
    with loop.opened(history, model, folder) as backtest:
        served = backtest.run(progress)
        reg, name = backtest.workspace.registry, model.name
        runs, promotions = tuple(queries.runs(reg, name)), tuple(queries.promotions(reg, name))
        decisions = tuple(queries.decisions(reg, name))
    answers = aligned(served, rows)
    measured = metrics.measure(rows, answers, sd)
    seconds = time.perf_counter() - begun
    schedule = Schedule("leeway", measured, len(runs), len(promotions) - 1, seconds, answers)
    return LoopRun(schedule, decisions, runs, promotions)


def aligned(served: pa.Table, rows: Dataset) -> Values:
    """Return the served predictions of labelled rows, (rows,); missing where a row was not served."""
    by_id = dict(zip(served[ID].to_pylist(), served[PREDICTION].to_pylist(), strict=True))
    values = [by_id.get(i) for i in rows.ids]
    if rows.task is Task.MULTICLASS:
        return np.array(values, dtype=object)
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def run_reference(run: references.ReferenceRun, rows: Dataset, sd: float) -> Schedule:
    """Return a reference run as a schedule, measured on the labelled rows."""
    measured = metrics.measure(rows, run.answers, sd)
    return Schedule(run.name, measured, run.refits, run.refits, run.seconds, run.answers)


def label_sd(rows: Dataset) -> float:
    """Return the standard deviation of the labels of the first training period, the unit of squared errors."""
    if rows.task is not Task.REGRESSION:
        return 1.0
    return float(np.std(rows.target.astype(np.float64))) or 1.0


def replayed_rows(history: History) -> Dataset:
    """Return the labelled rows of the replayed period, when all labels are known."""
    return history.labelled(history.cut, history.end)


def answered_share(schedule: Schedule) -> float:
    """Return the share of labelled rows that a schedule answered."""
    return float(np.mean(scoring.is_answered(schedule.answers)))


Moments = Sequence[datetime]
