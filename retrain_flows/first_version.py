"""First version of a model: trained from labelled history and promoted without a gate, which is recorded.

There is no champion that a gate could compare it with. Where the rule has changed within the period, there are two: the
first version is of the rows since the change, and one of the rows before is retired at once
(:mod:`retrain_flows.training.first_training`).
"""

from __future__ import annotations

from datetime import datetime

from features import errors
from features.window import from_ms
from registry import operations, queries
from registry.files import artifacts
from registry.records import Action, Promotion
from retrain_flows import promote
from retrain_flows.data import dataset
from retrain_flows.data.dataset import Dataset
from retrain_flows.data.event_log import StoredEvents
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import first_training, permutation_importance
from retrain_flows.training.challenger import Challenger

NO_GATE = "first version: there is no champion to compare it with, so no gate was run"


def train_and_promote(ws: Workspace, *, start: datetime, end: datetime, actor: str, now: datetime) -> Promotion:
    """Train the first version, compute its baseline from out-of-sample predictions, and promote it.

    The events need no predictions. The mode is ``static`` if such a trainer is configured, else ``online``.

    Parameters
    ----------
    ws
        The model's workspace.
    start, end
        The period of the events, [start, end), in event time.
    actor
        Who asks for it.
    now
        The time that is recorded.

    Raises
    ------
    IllegalMove
        The model has a champion.
    NotEnoughData
        There are fewer labelled rows than `retrain.min_rows`.
    TrainerError
        The trainer raised, or its model cannot be stored.
    UntrustedArtifact
        Its model file holds types that are not in `retrain.trust`.
    """
    reg, retrain = ws.registry, ws.trainers
    champion = queries.champion(reg, ws.model)
    if champion is not None:
        msg = f"{ws.model} has a champion already: {champion.version}"
        raise errors.IllegalMove(msg, hint="`leeway retrain` trains a challenger")
    trained = first_training.train(ws, next(iter(retrain.trainers)), _labelled(ws, start, end))
    operations.add_model(reg, model=ws.model, task=ws.schema.task.value, now=now)
    before = None if trained.before is None else _register(ws, trained.before, now=now)
    version = _register(ws, trained.first, until=end, now=now)
    because = (NO_GATE, *([trained.note] if trained.note else []))
    decision = operations.record_decision(
        reg, model=ws.model, incident_id=None, action=Action.PROMOTE, because=because, actor=actor, now=now
    )
    return operations.promote(
        reg,
        model=ws.model,
        version=version,
        expected_generation=0,
        decision_id=decision.id,
        effective_at=end,
        actor=actor,
        reason="; ".join(because),
        now=now,
        before=before,
    )


def _register(ws: Workspace, candidate: Challenger, *, until: datetime | None = None, now: datetime) -> str:
    """Store a model with its baseline, and return the name of its version.

    *until* is the event time up to which it has learned, by default that of its newest row.
    """
    artifact = artifacts.dump_model(candidate.model)
    artifacts.load_model(artifact, ws.trainers.trust)  # serving loads it in the same way
    learned_until = until or from_ms(int(candidate.rows.times[-1]) + 1)
    version = promote.describe(ws, candidate, artifact, until=learned_until, now=now)
    operations.add_version(ws.registry, version)
    importance = permutation_importance.combine(candidate.loss_increases)
    promote.rebaseline(ws, version.version, candidate.rows, candidate.out_of_sample, importance, now=now)
    return version.version


def _labelled(ws: Workspace, start: datetime, end: datetime) -> Dataset:
    """Return the labelled events of a period; ProjectError without labels, NotEnoughData with too few rows."""
    if ws.events.labels is None:
        msg = f"{ws.model} has no labels to train on"
        raise errors.ProjectError(msg, hint="set events.labels in the project file")
    as_of = end + ws.schema.label_delay
    log = ws.event_log or StoredEvents(ws.schema, ws.events, ws.sets, unanswered=True, facts=ws.facts)
    data = dataset.read(log, ws.schema, as_of=as_of, start=start, end=end).rows
    if len(data) < ws.trainers.min_rows:
        msg = f"{len(data)} labelled rows of {ws.model} in {start:%Y-%m-%d} to {end:%Y-%m-%d}, {data.unusable} unusable"
        raise errors.NotEnoughData(msg, hint=f"retrain.min_rows is {ws.trainers.min_rows}; name a longer period")
    return data
