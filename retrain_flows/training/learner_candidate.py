"""Candidate of the learner in the stream: its newest snapshot of a run's period, with its prequential predictions.

The gate judges it as any other: its predictions were made before the rows were learned from. Nothing is trained here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features import scoring, user_code
from features.schema import Task
from features.scoring import Values
from features.window import from_ms, to_ms
from registry import queries
from registry.files import artifacts
from registry.records import Version
from retrain_flows.data.dataset import Dataset
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import learner_branch, online, permutation_importance
from retrain_flows.training.challenger import Challenger
from retrain_flows.training.learner_branch import Branch, Snapshot
from retrain_flows.training.permutation_importance import HeldOut, LossIncreases
from retrain_flows.training.retrain_data import RetrainData


def newest(ws: Workspace, data: RetrainData) -> Challenger | None:
    """Return the newest snapshot that has learned from no row after a run's period; None where there is none.

    Its rows are those of the period before the snapshot's end, with missing answers where the learner has not tested
    one. Its parent is the newest version of the registry that is a snapshot of the same branch.

    Raises
    ------
    ArtifactError
        Its model file is missing, altered, or not trusted.
    """
    offer = learner_branch.offered(ws.registry, ws.state, ws.model, to_ms(data.until))
    if offer is None:
        return None
    branch, snapshot = offer
    rows, _ = data.rows.split(from_ms(snapshot.end))
    made = answers(branch, rows)
    if not scoring.is_answered(made).any():
        return None
    metrics = {} if snapshot.loss is None else {"prequential_loss": snapshot.loss}
    return Challenger(
        "online", load(ws, snapshot.digest), rows, rows, made, rows, made, _importance(ws, branch, rows),
        _parent(ws, branch), note=_note(branch, snapshot), metrics={**metrics, "learned": float(snapshot.learned)},
        until=from_ms(snapshot.end),
    ).validated_since(data.validated_from)  # fmt: skip


def _parent(ws: Workspace, branch: Branch) -> Version | None:
    own = {s.digest for s in branch.snapshots()} | {branch.plan.begin}
    versions = [v for v in queries.versions(ws.registry, ws.model) if v.artifact in own]
    return versions[-1] if versions else None


def _note(branch: Branch, snapshot: Snapshot) -> str:
    """Return what the snapshot is, in words."""
    chain = f"after {snapshot.parent[:12]}, " if snapshot.parent else ""
    return (
        f"snapshot {snapshot.digest[:12]} of learner branch {branch.number}, {chain}{snapshot.learned} samples up to "
        f"{snapshot.position}, labels final until {from_ms(snapshot.mark):%Y-%m-%d %H:%M}"
    )


def load(ws: Workspace, digest: str) -> Any:
    """Load the model of a snapshot; errors as of :func:`newest`."""
    user_code.make_importable(ws.project_dir)
    return artifacts.load_model(ws.registry.artifacts.get(digest), ws.trainers.trust)


def answers(branch: Branch, rows: Dataset) -> Values:
    """Return the prequential predictions of rows, (rows,), by id and time: an id may be in several slices."""
    made = branch.answers(int(rows.times[0]) if len(rows) else 0)
    at = pd.MultiIndex.from_arrays([made["id"], made["time"]]).get_indexer(
        pd.MultiIndex.from_arrays([rows.ids, rows.times])
    )
    own = scoring.unanswered(rows.task, len(rows))
    kind = object if rows.task is Task.MULTICLASS else np.float64
    own[at >= 0] = made["prediction"].to_numpy(kind)[at[at >= 0]]
    return own


def _importance(ws: Workspace, branch: Branch, rows: Dataset) -> tuple[LossIncreases, ...]:
    """Return the permutation importance of the newest snapshot that has not seen the last fifth of rows."""
    cut = int(len(rows) * (1 - online.IMPORTANCE_SHARE))
    before = [s for s in branch.snapshots() if s.end <= rows.times[cut]] if len(rows) else []
    if not before:
        return ()
    sd = permutation_importance.target_sd(rows.target)
    return (
        permutation_importance.measure(HeldOut.of(load(ws, before[-1].digest), rows.rows(slice(cut, None)), sd=sd)),
    )
