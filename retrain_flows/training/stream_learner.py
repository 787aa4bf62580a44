"""Learner in the stream: each part of the sample stream is predicted, and learned from once its labels were final.

The learner is a function of its state and a part, which gives the next state: a Flink job holds the state in its
checkpoints and hands it the parts in order, as they appear or out of history. The state is bytes with the model as a
skops file in them, and the model is built anew from it for each part. So it makes no difference where a job was killed.

A part that is tested has not been learned from, nor has any whose labels were not final when its slice began: what was
predicted is as good as in production, and no better (prequential evaluation with delayed labels).

References
----------
Gama, Sebastião and Rodrigues (2013), "On evaluating stream learning algorithms", Machine Learning 90(3) (prequential
evaluation, fading factors).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from features import scoring
from features.events import location
from features.events.decode import ID, TIME
from features.files.file_chunks import Chunk
from features.schema import PREDICTION, EventSchema, Task
from features.scoring import Values
from monitors.samples import parts
from monitors.samples.parts import SampleParts
from registry.files import artifacts
from registry.files.artifacts import ArtifactStore
from retrain_flows.data import sample_rows
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import online, static
from retrain_flows.training.learner_branch import Branch, Snapshot
from retrain_flows.training.learner_state import LearnerState

FADING = 0.999
"""Weight of a tested sample against the next one in the prequential loss: about the last thousand count."""


@dataclass(frozen=True, slots=True)
class StreamLearner:
    """A learner, as it travels to a worker; it is a fold over parts (:mod:`monitors.flink.fold_job`).

    Parameters
    ----------
    schema
        The model's events.
    samples
        The folder of samples.
    branch
        The folder of the branch.
    store
        The folder of model files.
    trusted
        Types that model files may have (`retrain.trust`).
    project
        The folder of the project file, from which the trainer is imported.
    """

    schema: EventSchema
    samples: Path
    branch: Path
    store: Path
    trusted: tuple[str, ...]
    project: Path

    def open(self) -> Callable[[bytes | None, str], bytes]:
        """Import the trainer, and return what takes the state (None at the beginning) and a part to the next state.

        Raises
        ------
        TrainerError
            There is no such trainer.
        """
        return _Steps(self)


class _Steps:
    """The steps of a learner in one worker."""

    def __init__(self, learner: StreamLearner) -> None:
        self._learner, self._branch = learner, Branch(learner.branch)
        self._plan = self._branch.plan
        self._trainer = static.load_trainer(self._plan.trainer, learner.project)
        self._parts = SampleParts(learner.samples)
        self._store = ArtifactStore(learner.store)

    def __call__(self, state: bytes | None, reference: str) -> bytes:
        """Test and learn a part; return the next state."""
        before = self._first() if state is None else LearnerState.decode(state)
        chunk = location.decode(reference)
        assert isinstance(chunk, Chunk)  # samples are in a directory
        name = Path(chunk.path).name
        # One that is older than the newest was added to the folder later; one that is the newest is there twice.
        is_next = name > before.position and parts.start_of(name) >= self._plan.since
        return (self._step(before, name) if is_next else before).encode()

    def _first(self) -> LearnerState:
        """Return the state at the beginning: that of a new model, or of the snapshot that the branch continues."""
        if not self._plan.begin:
            return LearnerState()
        plan = self._plan
        return LearnerState(self._store.get(plan.begin), plan.learned, snapshot=plan.begin, snapshot_end=plan.since)

    def _step(self, state: LearnerState, name: str) -> LearnerState:
        """Learn what is final by now, test the part, and let it wait; write a snapshot where one is due."""
        receipt = self._parts.receipt(name)
        final = [n for n in state.waiting if self._parts.receipt(n).mark <= receipt.start]
        model, state = self._learn(self._load(state.model), state, final)
        state = self._test(model, state, name)
        state = replace(state, model=artifacts.dump_model(model) if state.learned else b"", position=name,
                        waiting=(*state.waiting[len(final):], name))  # fmt: skip
        if receipt.end - state.snapshot_end >= self._plan.snapshot_every:
            state = self._snapshot(state)
        self._branch.note_progress({
            "position": name, "mark": receipt.mark, "learned": state.learned, "tested": state.tested,
            "waiting": len(state.waiting), "loss": state.loss, "snapshot": state.snapshot,
        })  # fmt: skip
        return state

    def _load(self, model: bytes) -> Any:
        return artifacts.load_model(model, self._learner.trusted) if model else self._trainer.new()

    def _learn(self, model: Any, state: LearnerState, names: Sequence[str]) -> tuple[Any, LearnerState]:
        """Let the model learn from parts, in order; return it and the state."""
        learned = state.learned
        for name in names:
            rows = self.rows(name)
            first = None if learned else self._classes(rows)
            _seed(name)
            with static.trainer_errors(self._trainer.path):
                online.learner_of(self._trainer.path, model, first).learn(rows)
            learned += len(rows)
        return model, replace(state, learned=learned)

    def _classes(self, rows: Dataset) -> Values:
        if rows.task is Task.MULTICLASS:
            return np.array(self._plan.classes, dtype=object)
        return online.classes(rows.task, rows.target)

    def _test(self, model: Any, state: LearnerState, name: str) -> LearnerState:
        """Predict a part that was not learned from, and put predictions and losses on record.

        A model that has seen next to nothing is not tested: its predictions would be in a baseline.
        """
        if state.learned < online.WARM_UP_ROWS:
            return state
        rows = self.rows(name)
        with static.trainer_errors(self._trainer.path):
            answers = scoring.score(model, rows.frame, rows.task)
        self._branch.add_answers(name, pa.table({
            ID: pa.array(rows.ids, pa.string()), TIME: rows.times,
            PREDICTION: pa.array(answers, pa.string() if rows.task is Task.MULTICLASS else pa.float64()),
        }))  # fmt: skip
        there = scoring.is_answered(answers)
        losses = scoring.losses(rows.task, answers[there], rows.target[there], sd=self._plan.sd)
        fading = FADING ** np.arange(len(losses) - 1, -1, -1, dtype=np.float64)
        faded = FADING ** len(losses)
        return replace(
            state, losses=state.losses * faded + float(losses @ fading),
            weights=state.weights * faded + float(fading.sum()), tested=state.tested + len(losses),
        )  # fmt: skip

    def _snapshot(self, state: LearnerState) -> LearnerState:
        """Write the model that has learned from all parts so far as a candidate; the state's own learns them later."""
        receipt = self._parts.receipt(state.position)
        model, ahead = self._learn(self._load(state.model), state, state.waiting)
        digest = self._store.put(artifacts.dump_model(model))
        self._branch.add_snapshot(Snapshot(
            digest, state.snapshot, state.position, receipt.end, receipt.mark, ahead.learned, state.loss, state.tested,
        ))  # fmt: skip
        return replace(state, snapshot=digest, snapshot_end=receipt.end)

    def rows(self, name: str) -> Dataset:
        """Return the samples of a part."""
        return sample_rows.dataset(self._learner.schema, parts.samples(self._learner.samples / name))


def _seed(name: str) -> None:
    """Seed ``random`` and numpy's generator by a part: what a model without `random_state` draws is the same again."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    random.seed(seed)
    np.random.seed(seed)
