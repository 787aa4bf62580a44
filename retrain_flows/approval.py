"""Approval: where `retrain.decide` is ``ask``, a candidate that passed the gate is promoted once somebody says so.

Its run is held meanwhile. What has passed stays on offer while later retrains train and fail: only a candidate that
passes after it, another champion, or somebody who refuses it ends that. The gate's patience does not, since nothing is
undecided.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from features import errors
from registry import operations, queries
from registry.connection import Registry
from registry.records import APPROVAL, OTHER_CHAMPION, SUPERSEDED, Champion, Promotion, RetrainRun, RunState
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import trial_series


@dataclass(frozen=True, slots=True)
class Passed:
    """A candidate that passed the gate of its run, or its trial.

    Parameters
    ----------
    version
        The candidate.
    champion
        The champion that it was compared with.
    effective_at
        The event time from which on it would answer.
    reason
        What it has shown.
    """

    version: str
    champion: Champion
    effective_at: datetime
    reason: str


def promote_or_ask(ws: Workspace, run: RetrainRun, passed: Passed, *, now: datetime) -> RetrainRun:
    """Promote a candidate that passed or, where `retrain.decide` is ``ask``, hold its run until somebody approves.

    Raises
    ------
    StaleChampion
        Somebody else promoted since the champion was read.
    IllegalMove
        The run has ended, or a check of the candidate did not pass.
    """
    if ws.trainers.decide != "ask":
        actor = queries.decision(ws.registry, run.decision_id).actor
        operations.promote(ws.registry, model=ws.model, version=passed.version,
                           expected_generation=passed.champion.generation, decision_id=run.decision_id, run_id=run.id,
                           effective_at=passed.effective_at, actor=actor, reason=passed.reason, now=now)  # fmt: skip
        return queries.run(ws.registry, run.id)
    reason = f"{APPROVAL}: {passed.reason}"
    earlier = [other for other in awaiting(ws.registry, ws.model) if other.id < run.id]
    ends = {other.id: outdated(ws.registry, other) or _passed_later(passed.version) for other in earlier}
    return operations.hold_run(
        ws.registry, run.id, challenger=passed.version, reason=reason, supersedes=ends, now=now
    )  # fmt: skip


def awaiting(reg: Registry, model: str) -> list[RetrainRun]:
    """Return the runs of a model whose candidate waits for approval, oldest first."""
    return [run for run in queries.unfinished(reg, model, RunState.HELD) if run.awaits_approval]


def outdated(reg: Registry, run: RetrainRun) -> str:
    """Return why the candidate of a held run is no longer on offer, or on trial; "" if it is."""
    champion = queries.champion(reg, run.model)
    looks = trial_series.looks_of(reg, run)
    if champion is None or run.challenger is None or (looks and looks[-1].reference != champion.version):
        return OTHER_CHAMPION
    later = [r for r in awaiting(reg, run.model) if r.id > run.id]
    return _passed_later(str(later[-1].challenger)) if later else ""


def _passed_later(version: str) -> str:
    return f"{SUPERSEDED}{version} passed the gate after it"


def end_outdated(reg: Registry, run: RetrainRun, *, now: datetime) -> str:
    """End a held run whose candidate is outdated, and return why; "" if it is not."""
    reason = outdated(reg, run)
    if reason:
        operations.finish_run(reg, run.id, state=RunState.REJECTED, reason=reason, now=now)
    return reason


def approve(
    reg: Registry, run: RetrainRun, *, actor: str, reason: str, effective_at: datetime, now: datetime
) -> Promotion:
    """Promote the candidate of a run that waits for approval, with the run's decision and gate on record.

    Parameters
    ----------
    actor, reason
        Who approves, and why.
    effective_at
        The event time from which on the version answers.
    now
        The time that is recorded.

    Raises
    ------
    IllegalMove
        The run does not wait for approval, or its candidate was compared with another champion.
    StaleChampion
        Somebody else promoted in between.
    """
    if not run.awaits_approval:
        msg = f"run {run.id} of {run.model} does not wait for approval"
        raise errors.IllegalMove(msg, hint="`leeway status` lists the runs that do")
    champion, why = queries.champion(reg, run.model), outdated(reg, run)
    if why or champion is None or run.challenger is None:
        msg = f"{run.model} {run.challenger} cannot be approved any more: {why}"
        raise errors.IllegalMove(msg, hint="the next decision run ends its run; `leeway retrain` trains another")
    return operations.promote(reg, model=run.model, version=run.challenger, expected_generation=champion.generation,
                              decision_id=run.decision_id, run_id=run.id, effective_at=effective_at, actor=actor,
                              reason=f"approved: {reason}", now=now)  # fmt: skip


def refuse(reg: Registry, model: str, version: str, *, actor: str, reason: str, now: datetime) -> RetrainRun:
    """End the held run of a candidate, whether it waits for approval or is on trial, and return the run.

    The incident stays open, and `retrain.cool_down` begins as after a run that the gate rejected.

    Raises
    ------
    NotFound
        There is no such version.
    IllegalMove
        No run is held for this version.
    """
    queries.version(reg, model, version)
    held = queries.unfinished(reg, model, RunState.HELD)
    run = next((run for run in held if run.challenger == version), None)
    if run is None:
        names = ", ".join(str(run.challenger) for run in held)
        msg = f"no run of {model} is held for {version}"
        raise errors.IllegalMove(msg, hint=f"held: {names}" if names else "`leeway rollback` undoes a promotion")
    return operations.finish_run(
        reg, run.id, state=RunState.REJECTED, reason=f"refused by {actor}: {reason}", actor=actor, now=now
    )
