"""Challengers: static and online candidates are trained, and each is evaluated by the gate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from features import errors, scoring, user_code
from features.scoring import Values
from registry.records import Check, CheckResult, ComparedSlice, Version
from retrain_flows.data.dataset import Dataset
from retrain_flows.data.workspace import Workspace
from retrain_flows.gate import gate
from retrain_flows.gate.weighed import Weighed
from retrain_flows.training import (
    learner_candidate,
    model_file,
    online,
    retrain_data,
    static,
    static_training,
    trial_series,
)
from retrain_flows.training.challenger import Challenger
from retrain_flows.training.retrain_data import RetrainData
from retrain_flows.training.static_training import TrainingOrder
from retrain_flows.training.trial_series import TrialSeries

EARLIER_SHARE = 0.25
"""Part of a cause's error rate that earlier versions have together; the rest is for new models, which are tried more
often."""


@dataclass(frozen=True, eq=False)
class GatedCandidate:
    """A candidate with its gate checks.

    *artifact* is its model file, or the reason why it cannot be stored; *slices* are the new ones that it was
    compared on, *series* are the looks before, and *weighed* is the comparison of all; None where they are too few.
    """

    candidate: Challenger
    artifact: bytes | errors.TrainerError
    checks: tuple[Check, ...]
    slices: tuple[ComparedSlice, ...]
    series: TrialSeries
    weighed: Weighed | None

    @property
    def loss(self) -> float:
        """Mean loss on the evaluation rows; infinite where it could not be measured."""
        return min((c.numbers["challenger"] for c in self.checks if "challenger" in c.numbers), default=float("inf"))


def train(ws: Workspace, mode: str, data: RetrainData) -> Challenger:
    """Train the challenger of a mode.

    Online it is the newest snapshot of the learner in the stream, where one runs. Without it an online champion is
    continued where it stopped; otherwise a new model starts.

    Raises
    ------
    TrainerError
        The user's trainer raised or returned something unusable.
    NotEnoughData
        There are no (new) rows to learn from.
    """
    if mode == "static":
        return _fit_static(ws, data)
    if (snapshot := learner_candidate.newest(ws, data)) is not None:
        return snapshot
    if data.version.mode == "online" and data.version.trained_until is not None:
        _, unseen = data.rows.split(data.version.trained_until)
        return _fit_online(ws, unseen, data.version).validated_since(data.validated_from)
    return _fit_online(ws, data.rows, None).validated_since(data.validated_from)


def earlier(ws: Workspace, version: Version, data: RetrainData) -> Challenger:
    """Return an earlier version as a candidate: a concept that it fits may have come back.

    Raises
    ------
    ArtifactError
        Its model file is missing, altered, or not trusted.
    """
    model, rows = retrain_data.shared_model(ws, version), data.evaluation
    answers = scoring.score(model, rows.frame, rows.task)
    note = f"{version.version} again, trained until {version.trained_until or version.created_at:%Y-%m-%d}"
    return Challenger(version.mode, model, rows, rows, answers, rows, answers, (), existing=version, note=note)


def _fit_static(ws: Workspace, data: RetrainData) -> Challenger:
    """Train the static challenger, where the workspace says: in a process of its own, or in this one."""
    order = TrainingOrder(
        trainer=ws.trainers.trainers["static"], project_dir=ws.project_dir, rows=data.rows, window=ws.trainers.window,
        until=data.until, change=data.change, validated_from=data.validated_from, evaluated_from=data.evaluated_from,
        label_delay=ws.schema.label_delay, windows=ws.schema.windows, sd=data.sd,
        last_window_days=data.version.metrics.get("window_days"), weigh=ws.trainers.weigh_old_rows,
    )  # fmt: skip
    user_code.make_importable(ws.project_dir)  # the model comes back as an object, maybe of a class of the project's
    trained = ws.run_training(static_training.train, order)
    tried = trained.validation
    return Challenger(
        "static", trained.model, trained.rows, tried.rows, tried.answers, trained.baseline_rows,
        trained.baseline_answers, trained.loss_increases, note=trained.note, metrics=trained.metrics,
        history=trained.history,
    )  # fmt: skip


def fit(ws: Workspace, mode: str, rows: Dataset) -> Challenger:
    """Train the first model of a mode on rows, all of which get out-of-sample predictions.

    Raises
    ------
    TrainerError
        The user's trainer raised or returned something unusable.
    NotEnoughData
        There are too few rows.
    ArtifactError
        The parent's model file is missing, altered, or not trusted.
    """
    if mode == "static":
        trainer = static.load_trainer(ws.trainers.trainers[mode], ws.project_dir)
        answers, increases = static.out_of_sample(trainer, rows)
        return Challenger(mode, static.fit_static(trainer, rows), rows, rows, answers, rows, answers, increases)
    return _fit_online(ws, rows, None)


def _fit_online(ws: Workspace, rows: Dataset, parent: Version | None) -> Challenger:
    """Train an online model on rows in order of time; it continues the model of its *parent*, if there is one."""
    trainer = static.load_trainer(ws.trainers.trainers["online"], ws.project_dir)
    champion = None if parent is None else retrain_data.load(ws, parent)
    learned = online.learn(trainer, champion, rows, label_delay=ws.schema.label_delay)
    answers = learned.predictions
    return Challenger("online", learned.model, rows, rows, answers, rows, answers, learned.loss_increases, parent)


def gate_candidate(ws: Workspace, candidate: Challenger, data: RetrainData) -> GatedCandidate:
    """Run the gate checks of a candidate on the evaluation rows, with those of its data and its model file."""
    artifact = model_file.of(ws, candidate.model, candidate.existing)
    series = _series(ws, candidate, data)
    answers = _out_of_sample(candidate, data.evaluation)
    usable = scoring.is_answered(answers)
    trial = gate.GateInput(
        challenger=candidate.model,
        artifact=artifact,
        answers=answers[usable],
        champion=data.answers[usable],
        evaluation=data.evaluation.rows(usable),
        schema=ws.schema,
        sd=data.sd,
        alpha=series.alpha,
        before=[look.slices for look in series.counting],
        worse_since=series.worse_since,
        since=series.until,
        history=candidate.history,
        trust=ws.trainers.trust,
        champion_model=data.champion_model,
    )
    own = () if candidate.existing else model_file.same_file_check(ws, artifact)
    outcome = gate.gate(trial, ws.trainers.gate)
    checks = (_data_check(candidate, data), *own, *outcome.checks)
    return GatedCandidate(candidate, artifact, checks, outcome.slices, series, outcome.weighed)


def _series(ws: Workspace, candidate: Challenger, data: RetrainData) -> TrialSeries:
    """Return the series that a candidate continues or begins, with its share of the champion's error rate.

    A run that was killed and is repeated makes its look anew: what it had recorded before is no part of the series.
    """
    if candidate.existing is not None:
        kind, share = candidate.existing.version, EARLIER_SHARE / retrain_data.MAX_EARLIER
    else:
        kind, share = candidate.mode, (1 - EARLIER_SHARE) / len(ws.trainers.trainers)
    series = trial_series.find(ws, data.champion, data.cause, kind, share)
    return replace(series, looks=tuple(look for look in series.looks if look.run_id != data.run_id))


def _out_of_sample(candidate: Challenger, rows: Dataset) -> Values:
    """Return the candidate's out-of-sample predictions for rows, (rows,); missing where it has none."""
    at = pd.Index(candidate.validated.ids).get_indexer(pd.Index(rows.ids))
    answers = scoring.unanswered(rows.task, len(rows))
    answers[at >= 0] = candidate.out_of_sample[at[at >= 0]]
    return answers


def _data_check(candidate: Challenger, data: RetrainData) -> Check:
    """Record what the candidate has learned from, with a sha256, so that training can be repeated and compared."""
    rows, left_out = candidate.rows, candidate.rows.unusable
    got = (
        f"{len(rows)} rows (sha256 {rows.digest[:16]}), {left_out} unusable labels, {data.rejected} unreadable records"
    )
    got += f", {data.barred} rows under a data fault left out" if data.barred else ""
    got += f"; {candidate.note}" if candidate.note else ""
    return Check(name="data", result=CheckResult.PASS, got=got, want="to be on record", numbers={"rows": len(rows)})
