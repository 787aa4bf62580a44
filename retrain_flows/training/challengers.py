"""Makes challengers, static and online, and takes each through the gate."""

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
    """A trained model: the rows it has learned from, what it said of each without having seen it, and its parent.

    *rises* is what mattered to it, or to models like it, on rows they had not seen. *parent* is the version that an
    online model grew from, None for a new one.
    """

    mode: str
    model: Any
    rows: Dataset
    out_of_sample: Values
    loss_increases: tuple[LossIncreases, ...]
    parent: Version | None = None


@dataclass(frozen=True, eq=False)
class GatedCandidate:
    """A candidate that has been through the gate. *artifact* is its model file, or why it cannot be stored."""

    candidate: Challenger
    artifact: bytes | errors.TrainerError
    checks: tuple[Check, ...]

    @property
    def loss(self) -> float:
        """Mean loss on the evaluation rows; infinite where it could not be measured."""
        return min((c.numbers["challenger"] for c in self.checks if "challenger" in c.numbers), default=float("inf"))


def train(ws: Workspace, mode: str, data: RetrainData) -> Challenger:
    """Return the challenger of *mode*. An online champion goes on learning where it stopped; else a new one starts.

    Raises:
        TrainerError: the user's trainer raised or returned something unusable.
        NotEnoughData: there is nothing (new) to learn from.
    """
    if mode == "online" and data.version.mode == "online" and data.version.trained_until is not None:
        _, unseen = data.training.split(data.version.trained_until)
        return fit(ws, mode, unseen, parent=data.version)
    return fit(ws, mode, data.training)


def fit(ws: Workspace, mode: str, rows: Dataset, *, parent: Version | None = None) -> Challenger:
    """Return a model of *mode* that has learned from *rows*, after whatever its *parent* had learned.

    Raises:
        TrainerError: the user's trainer raised or returned something unusable.
        NotEnoughData: there are too few rows.
    """
    trainer = static.load_trainer(ws.trainers.trainers[mode], ws.project_dir)
    if mode == "static":
        return Challenger(mode, static.fit_static(trainer, rows), rows, *static.out_of_sample(trainer, rows))
    grown = None if parent is None else retrain_data.load(ws, parent)
    learned = online.learn(trainer, grown, rows, label_delay=ws.schema.label_delay)
    return Challenger(mode, learned.model, rows, learned.predictions, learned.loss_increases, parent)


def gate_candidate(ws: Workspace, candidate: Challenger, data: RetrainData) -> GatedCandidate:
    """Take *candidate* through the gate on the evaluation rows."""
    baseline = queries.baseline_of(ws.registry, ws.model, data.version.version)
    artifact = _dump(candidate.model)
    trial = gate.GateInput(
        challenger=candidate.model,
        artifact=artifact,
        champion=data.answers,
        evaluation=data.evaluation,
        schema=ws.schema,
        sd=outcome_counts.label_sd(baseline.bins) if baseline else 1.0,
        quality=open_quality(ws),
        trust=ws.trainers.trust,
    )
    checks = (_data_check(candidate, data), *_same_file_check(ws, artifact), *gate.gate(trial, ws.trainers.gate))
    return GatedCandidate(candidate, artifact, checks)


def _data_check(candidate: Challenger, data: RetrainData) -> Check:
    """Say what was learned from, so that it can be made again and compared."""
    rows, left_out = candidate.rows, candidate.rows.unusable
    got = (
        f"{len(rows)} rows (sha256 {rows.digest[:16]}), {left_out} unusable labels, {data.rejected} unreadable records"
    )
    return Check(name="data", result=CheckResult.PASS, got=got, want="on record", numbers={"rows": len(rows)})


def _same_file_check(ws: Workspace, artifact: bytes | errors.TrainerError) -> list[Check]:
    """Say which version a candidate is, if its file is one's: what was rolled back does not come back unnoticed."""
    if isinstance(artifact, errors.TrainerError):
        return []
    digest = hashlib.sha256(artifact).hexdigest()
    same = [v for v in queries.versions(ws.registry, ws.model) if v.artifact == digest]
    if not same:
        return []
    back = {p.from_version for p in queries.promotions(ws.registry, ws.model) if p.kind == "rollback"}
    states = {v.version: "rolled back" if v.version in back else v.state.value for v in same}
    bad = any(state in ("rolled back", VersionState.CHAMPION.value) for state in states.values())
    got = "the file of " + ", ".join(f"{version} ({state})" for version, state in states.items())
    result = CheckResult.FAIL if bad else CheckResult.PASS
    return [
        Check(name="known", result=result, got=got, want="neither the champion's file nor one that was rolled back")
    ]


def open_quality(ws: Workspace) -> Sequence[str]:
    """Return the quality incidents that are not resolved, in words: they veto retraining."""
    every = queries.incidents(ws.registry, ws.model)
    live = [i for i in every if i.signal is Signal.QUALITY and i.state is not IncidentState.RESOLVED]
    return [f"quality incident {i.id} is open since {i.opened_at:%Y-%m-%d %H:%M}" for i in live]


def _dump(model: Any) -> bytes | errors.TrainerError:
    try:
        return artifacts.dump_model(model)
    except errors.TrainerError as error:
        return error
