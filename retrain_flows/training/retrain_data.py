"""Retrain data: rows to train on, later rows for the gate, and the champion's predictions for the latter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from features import errors, scoring
from features.scoring import Values
from registry import queries
from registry.connection import Registry
from registry.files import artifacts
from registry.records import Champion, RetrainRun, Version
from retrain_flows.data import dataset, workspace
from retrain_flows.data.dataset import Dataset
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import static


@dataclass(frozen=True, eq=False)
class RetrainData:
    """The data of one run.

    Parameters
    ----------
    champion, version
        The champion, and its version's record.
    training
        Rows to train on.
    evaluation
        Later rows for the gate, none of which the champion was trained on.
    answers
        The champion's predictions for the evaluation rows, (rows,).
    rejected
        Number of records that could not be used.
    until
        Where training ends and evaluation begins, in event time.
    """

    champion: Champion
    version: Version
    training: Dataset
    evaluation: Dataset
    answers: Values
    rejected: int
    until: datetime


def gather(ws: Workspace, run: RetrainRun) -> RetrainData:
    """Read the data of a run, as of its ``as_of``.

    Evaluation rows that the champion was trained on are left out, since its predictions of them are too good. If Leeway
    has no model file of the champion, the rows that it has predicted are used, with the logged predictions.

    Raises
    ------
    NotFound
        The model has no champion yet.
    NotEnoughData
        There are fewer training rows than `retrain.min_rows`.
    ProjectError
        No trainer is configured.
    ArtifactError
        The champion's model file is missing, altered, or not trusted.
    """
    retrain = ws.trainers
    champion = champion_of(ws.registry, ws.model)
    version = queries.version(ws.registry, ws.model, champion.version)
    when = workspace.periods(ws.schema, retrain, run.as_of)
    labelled = dataset.read(ws.log, ws.schema, as_of=run.as_of, start=when.start, end=when.end)
    training, evaluation = labelled.rows.split(when.evaluation)
    if len(training) < retrain.min_rows:
        msg = f"{len(training)} labelled rows to train on; retrain.min_rows is {retrain.min_rows}"
        raise errors.NotEnoughData(msg, hint="wait for labels, lengthen retrain.window or lower retrain.min_rows")
    if version.artifact is not None and version.trained_until is not None:
        _, evaluation = evaluation.split(version.trained_until)
    answers = _answers(ws, version, evaluation)
    usable = scoring.is_answered(answers)
    return RetrainData(
        champion, version, training, evaluation.rows(usable), answers[usable], labelled.rejected, when.evaluation
    )


def champion_of(reg: Registry, model: str) -> Champion:
    """Return the champion of a model.

    Raises
    ------
    NotFound
        There is none yet.
    """
    champion = queries.champion(reg, model)
    if champion is None:
        msg = f"{model} has no champion to retrain"
        raise errors.NotFound(msg, hint="`leeway retrain --first` trains one; `leeway baseline` registers one you have")
    return champion


def load(ws: Workspace, version: Version) -> Any:
    """Load the model of a version from its file, building only types that the project trusts.

    Raises
    ------
    ArtifactError
        The file is missing, altered, or holds types that are not in `retrain.trust`.
    """
    if version.artifact is None:
        msg = f"{version.model} {version.version} has no model file: Leeway only monitors it"
        raise errors.ArtifactError(msg)
    static.make_importable(ws.project_dir)
    return artifacts.load_model(ws.registry.artifacts.get(version.artifact), ws.trainers.trust)


def _answers(ws: Workspace, version: Version, rows: Dataset) -> Values:
    """Return the predictions of a version for rows, (rows,): by its model, or as logged if there is no model file."""
    if version.artifact is not None:
        return scoring.score(load(ws, version), rows.frame, rows.task)
    answers = scoring.unanswered(rows.task, len(rows))
    own = np.asarray(rows.versions == version.version, dtype=bool)
    answers[own] = rows.logged[own]
    return answers
