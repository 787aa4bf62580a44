"""Retrain data: rows to train on, the newest of them for the gate, and the champion's predictions for those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np

from features import errors, scoring, user_code
from features.scoring import Values
from features.window import from_ms, to_ms
from monitors.profiles import outcome_counts
from registry import queries
from registry.connection import Registry
from registry.files import artifacts
from registry.records import (
    Champion,
    RetrainRun,
    Version,
    VersionState,
)
from retrain_flows.data import usable_rows, workspace
from retrain_flows.data.dataset import Dataset
from retrain_flows.data.workspace import Workspace
from retrain_flows.gate import evidence, slice_sums
from retrain_flows.training import run_cause, trial_series
from retrain_flows.training.change_point import change_point

BASELINE_SLICES = 28
"""Slices of a new baseline, where there are as many since the last change: below 20 there is no guarantee
(docs/statistics.md), and older rows are less like those to come."""
MAX_EARLIER = 3
"""Earlier versions that are compared with the champion, the newest first: a concept may come back."""


@dataclass(frozen=True, eq=False)
class RetrainData:
    """The data of one run.

    Parameters
    ----------
    champion, version
        The champion, and its version's record.
    rows
        All labelled rows of the training period, those under a data fault left out.
    evaluation
        The newest of them, for the gate: none of them was the champion trained on.
    champion_model
        The champion's model; None if there is no file of it.
    answers
        The champion's predictions for the evaluation rows, (rows,).
    evaluated_from
        Where the evaluation starts, in event time.
    validated_from
        Where the rows start, in event time, that candidates predict out of sample: those of evaluation and baseline.
    change
        The change point of the champion's loss; None where none stands out.
    rejected, barred
        Number of records that could not be used, and of rows that are under a data fault.
    until
        The end of the period, in event time.
    sd
        The standard deviation of the champion's baseline labels: the unit of a regression's losses.
    earlier
        Earlier versions with a model file.
    cause
        What the run is for: ``schedule``, ``by hand``, or an incident by its number.
    run_id
        The run.
    """

    champion: Champion
    version: Version
    rows: Dataset
    evaluation: Dataset
    champion_model: Any | None
    answers: Values
    evaluated_from: datetime
    validated_from: datetime
    change: datetime | None
    rejected: int
    barred: int
    until: datetime
    sd: float
    earlier: Sequence[Version] = ()
    cause: str = "by hand"
    run_id: int | None = None


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
    cause = run_cause.of(ws, run)
    # What a decision rests on is what is trained on. By hand nothing was counted, and the log may have been mended.
    labelled = usable_rows.read(ws, as_of=run.as_of, start=when.start, end=when.end, counted=cause != run_cause.BY_HAND)
    rows, barred = labelled.rows, labelled.barred
    if len(rows) < retrain.min_rows:
        msg = f"{len(rows)} labelled rows to train on; retrain.min_rows is {retrain.min_rows}"
        msg += f" ({barred} rows are under a data fault)" if barred else ""
        raise errors.NotEnoughData(msg, hint="wait for labels, lengthen retrain.window or lower retrain.min_rows")
    sd = label_sd(ws, version)
    new = _after_training(version, rows)
    model = None if version.artifact is None else shared_model(ws, version)
    answers = _answers(model, version, new)
    usable = scoring.is_answered(answers)
    new, answers = new.rows(usable), answers[usable]
    change = _change(ws, new, answers, sd)
    if change and cause == run_cause.SCHEDULE and when.end - change < evidence.MIN_SLICES * ws.schema.windows.slide:
        change = None  # no incident confirms it: some bad days, too few to compare models on
    since = max(when.evaluation, change) if change and cause != run_cause.SCHEDULE else when.evaluation
    recent = np.asarray(new.times >= to_ms(since))
    baseline_from = when.end - max(BASELINE_SLICES * ws.schema.windows.slide, retrain.evaluation)
    return RetrainData(
        champion=champion, version=version, rows=rows, evaluation=new.rows(recent), champion_model=model,
        answers=answers[recent],
        evaluated_from=since, validated_from=max(baseline_from, change or baseline_from), change=change,
        rejected=labelled.rejected, barred=barred, until=when.end, sd=sd, earlier=_earlier(ws, version), cause=cause,
        run_id=run.id,
    )  # fmt: skip


def label_sd(ws: Workspace, version: Version) -> float:
    """Return the standard deviation of the labels of a version's baseline; 1 where it has none, or for classes."""
    baseline = queries.baseline_of(ws.registry, ws.model, version.version)
    return outcome_counts.label_sd(baseline.bins) if baseline else 1.0


def _after_training(version: Version, rows: Dataset) -> Dataset:
    """Return the rows that a version was not trained on; all rows if Leeway has not trained it."""
    if version.artifact is None or version.trained_until is None:
        return rows
    return rows.split(version.trained_until)[1]


def _change(ws: Workspace, rows: Dataset, answers: Values, sd: float) -> datetime | None:
    """Return the change point of a model's loss on rows; None where none stands out."""
    if len(rows) == 0:
        return None
    losses = scoring.losses(rows.task, answers, rows.target, sd=sd)
    starts, sums, counts = slice_sums.by_slice(losses, rows.times, ws.schema.windows)
    change = change_point(sums / counts, counts.astype(np.float64))
    return from_ms(int(starts[change.index])) if change is not None and change.significant else None


def _earlier(ws: Workspace, champion: Version) -> list[Version]:
    """Return the newest retired versions that have a model file and, if they were rolled back, had helped before.

    What a version was good for may come back; one that never helped is not tried again.
    """
    promotions = queries.promotions(ws.registry, ws.model)
    back = {p.from_version for p in promotions if p.kind == "rollback"} - trial_series.helped(ws.registry, ws.model)
    retired = [
        v for v in queries.versions(ws.registry, ws.model)
        if v.state is VersionState.RETIRED and v.artifact not in (None, champion.artifact) and v.version not in back
        and v.baseline is not None
    ]  # fmt: skip
    return retired[-MAX_EARLIER:]


def champion_of(reg: Registry, model: str) -> Champion:
    """Return the champion of a model.

    Raises
    ------
    NotFound
        There is none yet.
    """
    champion = queries.champion(reg, model)
    if champion is None:
        msg = f"{model} has no champion"
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
    user_code.make_importable(ws.project_dir)
    return artifacts.load_model(ws.registry.artifacts.get(version.artifact), ws.trainers.trust)


def shared_model(ws: Workspace, version: Version) -> Any:
    """Return the model of a version for predictions alone: see :func:`load`. It is the same object for each caller."""
    if version.artifact is None:
        return load(ws, version)
    user_code.make_importable(ws.project_dir)
    return _loaded(ws.registry.artifacts.get(version.artifact), tuple(ws.trainers.trust))


@lru_cache(maxsize=MAX_EARLIER + 2)
def _loaded(content: bytes, trust: tuple[str, ...]) -> Any:
    """Return the model of a file's content. A retrain and its trial ask champion, candidate and earlier versions."""
    return artifacts.load_model(content, trust)


def answers_of(ws: Workspace, version: Version, rows: Dataset) -> Values:
    """Return the predictions of a version for rows, (rows,): by its model, or as logged if there is no model file."""
    return _answers(None if version.artifact is None else shared_model(ws, version), version, rows)


def _answers(model: Any | None, version: Version, rows: Dataset) -> Values:
    """Return the predictions of a version's model or, without one, those that were logged, (rows,)."""
    if model is not None:
        return scoring.score(model, rows.frame, rows.task)
    answers = scoring.unanswered(rows.task, len(rows))
    own = np.asarray(rows.versions == version.version, dtype=bool)
    answers[own] = rows.logged[own]
    return answers
