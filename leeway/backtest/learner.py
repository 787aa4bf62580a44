"""Learner of a backtest: the online model of the project that learns in the stream, in step with the replayed loop.

Samples and model are made by the functions of the Flink jobs (`leeway samples follow`, `leeway learner run`): each part
is written when its labels are final, without the rows of faults that were known by then, and is tested before it is
learned from. Retrains find its snapshots in the loop's own state folder, as they do in production.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import numpy as np

from features import scoring
from features.schema import Task
from features.scoring import Values
from features.window import to_ms
from leeway.backtest.history import History
from monitors.samples.parts import SampleParts
from monitors.training_set import slice_join
from monitors.worker.folds import SampleListing, Step
from retrain_flows.data import usable_rows
from retrain_flows.data.dataset import Dataset
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import learner_branch, learner_candidate, online, permutation_importance
from retrain_flows.training.hash_seed import FixedSeedLearner
from retrain_flows.training.learner_branch import Branch, BranchPlan
from retrain_flows.training.stream_learner import StreamLearner


@dataclass(eq=False)
class BacktestLearner:
    """A learner of the history, as far as it has come.

    Parameters
    ----------
    history
        The events.
    workspace
        The workspace of the loop, whose `retrain.online` learns.
    seconds
        How long it has taken so far.
    """

    history: History
    workspace: Workspace
    seconds: float = 0.0
    _next: int = field(init=False)
    _state: bytes | None = None

    def __post_init__(self) -> None:
        self._next = to_ms(self.history.start)

    def learn(self, at: datetime) -> None:
        """Learn the slices whose labels are final by a moment.

        Raises
        ------
        TrainerError
            The trainer raised, or its model cannot learn.
        """
        begun, schema, log = time.perf_counter(), self.history.schema, self.history
        reg = self.workspace.registry
        wanted = usable_rows.usable_period(reg, schema, as_of=at, start=log.start, end=log.end)
        while self._next + wanted.slide <= wanted.until:
            own = replace(wanted, start=self._next, until=self._next + wanted.slide)
            rows, counts = slice_join.of_slice(own, log.requests, log.labels)
            if self._parts.write(own, rows, counts).rows:
                path = self._parts.file_of(own.start)
                for reference in SampleListing(self._parts).references(path):
                    self._state = self._step(self._state, reference)
            self._next = own.until
        self.seconds += time.perf_counter() - begun

    def answers(self, rows: Dataset) -> Values:
        """Return what it would have answered to rows, (rows,), without a gate.

        The rows of a slice are answered by the newest snapshot whose labels were final when the slice began.
        """
        snapshots, slide = self._branch.snapshots(), to_ms(self.history.schema.windows.slide)
        marks = np.array([snapshot.mark for snapshot in snapshots], dtype=np.int64)
        newest = np.searchsorted(marks, rows.times // slide * slide, side="right") - 1
        answers = scoring.unanswered(rows.task, len(rows))
        for at in np.unique(newest[newest >= 0]):
            model = learner_candidate.load(self.workspace, snapshots[at].digest)
            answers[newest == at] = scoring.score(model, rows.rows(newest == at).frame, rows.task)
        return answers

    @cached_property
    def _parts(self) -> SampleParts:
        parts = SampleParts(self.workspace.state / "samples")
        parts.begin(self.history.schema)
        return parts

    @cached_property
    def _branch(self) -> Branch:
        ws, schema = self.workspace, self.history.schema
        first = self.history.labelled(self.history.start, self.history.cut)
        names = tuple(map(str, online.classes(first.task, first.target))) if first.task is Task.MULTICLASS else ()
        sd, slide = permutation_importance.target_sd(first.target), to_ms(schema.windows.slide)
        plan = BranchPlan(ws.trainers.trainers["online"], 0, slide, names, because="the first", sd=sd)
        return learner_branch.begin(ws.state, ws.model, plan)

    @cached_property
    def _step(self) -> Step:
        ws = self.workspace
        learner = StreamLearner(self.history.schema, self._parts.folder, self._branch.folder,
                                ws.registry.artifacts.root, tuple(ws.trainers.trust), ws.project_dir)  # fmt: skip
        return FixedSeedLearner(learner).open()
