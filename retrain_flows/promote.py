"""Promotion: the best candidate that passed the gate becomes champion, with a baseline of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import numpy as np

from features import errors, scoring
from features.scoring import Values
from features.window import from_ms, to_ms
from registry import operations, queries
from registry.files import published_baselines
from registry.records import RetrainRun, RunState, Version
from retrain_flows import approval, trial
from retrain_flows.approval import Passed
from retrain_flows.data import baseline_rows
from retrain_flows.data.dataset import Dataset
from retrain_flows.data.workspace import Workspace
from retrain_flows.gate import gate, latency
from retrain_flows.training import permutation_importance
from retrain_flows.training.challenger import Challenger
from retrain_flows.training.challengers import GatedCandidate
from retrain_flows.training.retrain_data import RetrainData


def promote_or_reject(
    ws: Workspace,
    run: RetrainRun,
    data: RetrainData,
    candidates: Sequence[GatedCandidate],
    clock: Callable[[], datetime],
) -> RetrainRun:
    """End a run: promote the candidate with the lowest loss of those that passed the gate, hold one, or reject all.

    Where `retrain.decide` is ``ask``, one that passed is held until somebody approves it.

    Each candidate is registered with its checks. The baseline is stored before the promotion, so that the new champion
    can be monitored from its first prediction on. A candidate that is neither better nor worse yet is held: its trial
    goes on as labels come (:mod:`retrain_flows.trial`).

    Parameters
    ----------
    ws
        The model's workspace.
    run
        The run, which is not finished.
    data
        Its data.
    candidates
        The candidates with their gate checks.
    clock
        The time that is recorded: the run ends later than it registers, since a baseline takes time.

    Returns
    -------
    RetrainRun
        The run as promoted, held, or rejected with the reasons of each candidate.

    Raises
    ------
    StaleChampion
        Somebody else promoted since the champion was read.
    NotEnoughData, EngineError
        The baseline could not be computed.
    """
    reg, now = ws.registry, clock()
    named = [(_register(ws, run, data, j, now), j) for j in candidates]
    for name, gated in named:
        trial.record_gate(ws, run, name, gated, now)
    passing = [(name, j) for name, j in named if gate.passed(j.checks)]
    if not passing and (held := _hold(ws, run, named, clock)):
        return held
    if not passing:
        why = " | ".join(f"{name} ({j.candidate.mode}): {gate.reasons(j.checks)}" for name, j in named)
        return operations.finish_run(reg, run.id, state=RunState.REJECTED, reason=why, now=now)
    name, best = min(passing, key=lambda item: item[1].loss)
    operations.set_challenger(reg, run.id, name, now=now)
    give_baseline(ws, name, best.candidate, now=now)
    reason = f"{_kind(best.candidate)} passed the gate: {_loss(best)}"
    passed = Passed(name, data.champion, run.as_of, reason)
    return approval.promote_or_ask(ws, run, passed, now=clock())


def _hold(
    ws: Workspace, run: RetrainRun, named: Sequence[tuple[str, GatedCandidate]], clock: Callable[[], datetime]
) -> RetrainRun | None:
    """Hold the run for the undecided candidate with the lowest loss, and return it; None if none is undecided."""
    waiting = [(name, j) for name, j in named if gate.undecided(j.checks)]
    if not waiting:
        return None
    name, best = min(waiting, key=lambda item: item[1].loss)
    give_baseline(ws, name, best.candidate, now=clock())
    reason = f"{name} ({_kind(best.candidate)}) is neither better nor worse yet: {gate.reasons(best.checks)}"
    return operations.hold_run(ws.registry, run.id, challenger=name, reason=reason, now=clock())


def give_baseline(ws: Workspace, name: str, candidate: Challenger, *, now: datetime) -> None:
    """Compute the baseline of a candidate from its out-of-sample predictions; an earlier version has one already."""
    if candidate.existing is None:
        importance = permutation_importance.combine(candidate.loss_increases)
        rebaseline(ws, name, candidate.baseline_rows, candidate.baseline_answers, importance, now=now)


def _kind(candidate: Challenger) -> str:
    """Return what a candidate is, in words."""
    return "earlier version" if candidate.existing else f"{candidate.mode} challenger"


def rebaseline(
    ws: Workspace, version: str, rows: Dataset, answers: Values, importance: Mapping[str, float], *, now: datetime
) -> None:
    """Compute the baseline of a version, store it, and publish it to the monitoring jobs.

    Parameters
    ----------
    ws
        The model's workspace.
    version
        The version, which is registered.
    rows
        The rows of the baseline.
    answers
        Out-of-sample predictions of the rows, (rows,); rows without one are left out.
    importance
        The share of each feature in the version's importance.
    now
        The time that is recorded.

    Raises
    ------
    NotEnoughData
        No row has a prediction.
    EngineError
        The baseline job failed.
    """
    usable = scoring.is_answered(answers)
    rows, answers = rows.rows(usable), answers[usable]
    if len(rows) == 0:
        msg = f"no row of {ws.model} {version} has an out-of-sample prediction"
        raise errors.NotEnoughData(msg, hint="lengthen retrain.window, or wait for more labels")
    at = baseline_rows.place(ws.state, ws.model, version)
    baseline_rows.write(at, ws.schema, version, rows, answers)
    windows = ws.schema.windows
    start, last = (windows.slice_start(int(ms)) for ms in rows.times[[0, -1]])
    baseline = ws.build_baseline(
        ws.schema,
        ws.monitor,
        version=version,
        predictions=at.predictions,
        labels=at.labels,
        start=from_ms(start),
        end=from_ms(last + to_ms(windows.slide)),
        importance=importance,
    )
    operations.store_baseline(ws.registry, baseline, now=now)
    published_baselines.publish_baseline(baseline, ws.state / "baselines")


def describe(
    ws: Workspace, candidate: Challenger, artifact: bytes | None, *, until: datetime, now: datetime
) -> Version:
    """Store the model file of a candidate, and return its version record under the next free name.

    Parameters
    ----------
    ws
        The model's workspace.
    candidate
        The trained candidate.
    artifact
        Its model file; None if it cannot be stored.
    until
        The event time up to which it has learned.
    now
        The time that is recorded.
    """
    rows, parent = candidate.rows, candidate.parent
    stored = None if artifact is None else ws.registry.artifacts.put(artifact)
    return Version(model=ws.model, version=operations.next_version(ws.registry, ws.model), mode=candidate.mode,
                   artifact=stored, parent=parent and parent.version, parent_digest=parent and parent.artifact,
                   trained_from=from_ms(int(rows.times[0])), trained_until=until, rows=len(rows),
                   created_at=now)  # fmt: skip


def _register(ws: Workspace, run: RetrainRun, data: RetrainData, gated: GatedCandidate, now: datetime) -> str:
    """Register a candidate with the loss figures and checks of its gate; return the name of its version."""
    if gated.candidate.existing is not None:
        name = gated.candidate.existing.version
        # Of a run that was killed and is repeated, the time that was measured first stays on record.
        timed = {c.name for c in queries.checks(ws.registry, run.id) if c.version == name} & {latency.NAME}
        own = [c.model_copy(update={"version": name}) for c in gated.checks if c.name not in timed]
        operations.record_checks(ws.registry, run.id, own, now=now)
        return name
    artifact = gated.artifact if isinstance(gated.artifact, bytes) else None
    version = describe(ws, gated.candidate, artifact, until=gated.candidate.until or data.until, now=now)
    losses = {k: v for c in gated.checks for k, v in c.numbers.items() if c.name == "loss"}
    numbers = {k: v for k, v in losses.items() if np.isfinite(v)} | dict(gated.candidate.metrics)
    operations.add_version(ws.registry, version.model_copy(update={"metrics": numbers}))
    named = [c.model_copy(update={"version": version.version}) for c in gated.checks]
    operations.record_checks(ws.registry, run.id, named, now=now)
    return version.version


def _loss(gated: GatedCandidate) -> str:
    """Return the comparison of losses in words."""
    return next(c.got for c in gated.checks if c.name == "loss")
