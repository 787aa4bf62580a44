"""Challengers: static and online candidates are trained, and each is evaluated by the gate."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from features import errors
from features.scoring import Values
from monitors.finding import Signal
from monitors.profiles import outcome_counts
from registry import queries
from registry.files import artifacts
from registry.records import Check, CheckResult, IncidentState, Version, VersionState
from retrain_flows.data.dataset import Dataset
from retrain_flows.data.workspace import Workspace
from retrain_flows.gate import gate
from retrain_flows.training import online, retrain_data, static
from retrain_flows.training.permutation_importance import LossIncreases
from retrain_flows.training.retrain_data import RetrainData


@dataclass(frozen=True, eq=False)
class Challenger:
    """A trained candidate.

    Parameters
    ----------
    mode
        ``static`` or ``online``.
    model
        The trained model.
    rows
        The rows that it has learned from.
    out_of_sample
        Out-of-sample (static) or prequential (online) prediction of each row, (rows,).
    loss_increases
        Permutation importance on rows that it, or each of its cross-validation models, had not learned from.
    parent
        The version that an online model continues; None for a new one.
    """

    mode: str
    model: Any
    rows: Dataset
    out_of_sample: Values
    loss_increases: tuple[LossIncreases, ...]
    parent: Version | None = None


@dataclass(frozen=True, eq=False)
class GatedCandidate:
    """A candidate with its gate checks; *artifact* is its model file, or the reason why it cannot be stored."""

    candidate: Challenger
    artifact: bytes | errors.TrainerError
    checks: tuple[Check, ...]

    @property
    def loss(self) -> float:
        """Mean loss on the evaluation rows; infinite where it could not be measured."""
        return min((c.numbers["challenger"] for c in self.checks if "challenger" in c.numbers), default=float("inf"))


def train(ws: Workspace, mode: str, data: RetrainData) -> Challenger:
    """Train the challenger of a mode. An online champion is continued where it stopped; otherwise a new model starts.

    Raises
    ------
    TrainerError
        The user's trainer raised or returned something unusable.
    NotEnoughData
        There are no (new) rows to learn from.
    """
    if mode == "online" and data.version.mode == "online" and data.version.trained_until is not None:
        _, unseen = data.training.split(data.version.trained_until)
        return fit(ws, mode, unseen, parent=data.version)
    return fit(ws, mode, data.training)


def fit(ws: Workspace, mode: str, rows: Dataset, *, parent: Version | None = None) -> Challenger:
    """Train a model of a mode on rows; an online one continues the model of its *parent*, if there is one.

    Raises
    ------
    TrainerError
        The user's trainer raised or returned something unusable.
    NotEnoughData
        There are too few rows.
    ArtifactError
        The parent's model file is missing, altered, or not trusted.
    """
    trainer = static.load_trainer(ws.trainers.trainers[mode], ws.project_dir)
    if mode == "static":
        return Challenger(mode, static.fit_static(trainer, rows), rows, *static.out_of_sample(trainer, rows))
    champion = None if parent is None else retrain_data.load(ws, parent)
    learned = online.learn(trainer, champion, rows, label_delay=ws.schema.label_delay)
    return Challenger(mode, learned.model, rows, learned.predictions, learned.loss_increases, parent)


def gate_candidate(ws: Workspace, candidate: Challenger, data: RetrainData) -> GatedCandidate:
    """Run the gate checks of a candidate on the evaluation rows, with those of its data and its model file."""
    baseline = queries.baseline_of(ws.registry, ws.model, data.version.version)
    artifact = _dump(candidate.model)
    trial = gate.GateInput(challenger=candidate.model, artifact=artifact, champion=data.answers,
                           evaluation=data.evaluation, schema=ws.schema,
                           sd=outcome_counts.label_sd(baseline.bins) if baseline else 1.0,
                           quality=open_quality(ws), trust=ws.trainers.trust)  # fmt: skip
    checks = (_data_check(candidate, data), *_same_file_check(ws, artifact), *gate.gate(trial, ws.trainers.gate))
    return GatedCandidate(candidate, artifact, checks)


def _data_check(candidate: Challenger, data: RetrainData) -> Check:
    """Record what the candidate has learned from, with a sha256, so that training can be repeated and compared."""
    rows, left_out = candidate.rows, candidate.rows.unusable
    got = (
        f"{len(rows)} rows (sha256 {rows.digest[:16]}), {left_out} unusable labels, {data.rejected} unreadable records"
    )
    return Check(name="data", result=CheckResult.PASS, got=got, want="to be on record", numbers={"rows": len(rows)})


def _same_file_check(ws: Workspace, artifact: bytes | errors.TrainerError) -> list[Check]:
    """Fail a candidate whose model file is the champion's or was rolled back; none if no version has this file."""
    if isinstance(artifact, errors.TrainerError):
        return []
    digest = hashlib.sha256(artifact).hexdigest()
    same = [v for v in queries.versions(ws.registry, ws.model) if v.artifact == digest]
    if not same:
        return []
    back = {p.from_version for p in queries.promotions(ws.registry, ws.model) if p.kind == "rollback"}
    states = {v.version: "rolled back" if v.version in back else v.state.value for v in same}
    refused = any(state in ("rolled back", VersionState.CHAMPION.value) for state in states.values())
    got = "same model file as " + ", ".join(f"{version} ({state})" for version, state in states.items())
    result = CheckResult.FAIL if refused else CheckResult.PASS
    return [
        Check(name="known", result=result, got=got, want="a file that is neither the champion's nor was rolled back")
    ]


def open_quality(ws: Workspace) -> Sequence[str]:
    """Return the open data quality incidents of the model, a sentence each; they block retraining."""
    incidents = queries.incidents(ws.registry, ws.model)
    live = [i for i in incidents if i.signal is Signal.QUALITY and i.state is not IncidentState.RESOLVED]
    return [f"quality incident {i.id} has been open since {i.opened_at:%Y-%m-%d %H:%M} UTC" for i in live]


def _dump(model: Any) -> bytes | errors.TrainerError:
    try:
        return artifacts.dump_model(model)
    except errors.TrainerError as error:
        return error
