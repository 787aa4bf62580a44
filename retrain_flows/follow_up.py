"""Follow-up: what goes on after a retrain, as labels come: trials of held runs, and the watch of the newest promotion.

A trial ends in a promotion, a rejection, or with the next retrain, which supersedes it. A watch ends when the new
champion has turned out worse than the version before it, or after `retrain.watch.slices`; if it is worse, the version
before is put back, where `retrain.watch.roll_back` says so. A champion that has turned out better is watched on: what
it was trained for may pass, and the version before fit again. So is a rollback, for what had helped may help again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from features import errors
from registry import operations, queries
from registry.audit_log import chain
from registry.connection import Registry
from registry.records import (
    APPROVAL,
    SUPERSEDED,
    Action,
    Champion,
    CheckResult,
    Comparison,
    ComparisonKind,
    Promotion,
    RetrainRun,
    RunState,
    Version,
    VersionState,
)
from retrain_flows import approval, trial
from retrain_flows.approval import Passed
from retrain_flows.data.workspace import Workspace
from retrain_flows.outcome import Outcome, attempt
from retrain_flows.training import retrain_data, run_cause, trial_series
from retrain_flows.training.trial_series import TrialSeries
from retrain_flows.trial import Pair

WATCH_ALPHA = 0.05
"""Error rate of a watch over all its looks, of each of its two results. A rollback that was not needed costs what the
promotion gained; one that was not made costs loss for as long as nothing else happens."""


def follow_up(ws: Workspace, *, as_of: datetime, now: datetime) -> list[Outcome]:
    """Look at each held run, and at the newest promotion, as far as labels have matured.

    Parameters
    ----------
    ws
        The model's workspace.
    as_of
        The moment, in event time.
    now
        The time that is recorded.
    """
    held = queries.unfinished(ws.registry, ws.model, RunState.HELD)
    steps = [(f"run {run.id}", partial(_follow_trial, ws, run, as_of, now)) for run in held]
    steps.append(("watch", partial(_follow_watch, ws, as_of, now)))
    return [outcome for subject, step in steps if (outcome := attempt(subject, step))]


def _follow_trial(ws: Workspace, run: RetrainRun, as_of: datetime, now: datetime) -> Outcome | None:
    """Look at a held run; promote or reject its candidate if that is decided, and return what was done."""
    if queries.run(ws.registry, run.id).state.is_final:  # a promotion of this round has ended it
        return None
    if superseded := approval.end_outdated(ws.registry, run, now=now):
        return Outcome(f"run {run.id}", superseded)
    if run.awaits_approval:
        return _promote_if_allowed(ws, run, as_of, now)
    champion = retrain_data.champion_of(ws.registry, ws.model)
    looks = trial_series.looks_of(ws.registry, run)
    pair = Pair(ComparisonKind.TRIAL, str(run.challenger), champion.version, run_id=run.id)
    begun = run.as_of - ws.schema.label_delay
    newest = _undone(looks, begun) or trial.look(
        ws, pair, _series_of(ws, run, champion, looks), since=begun, as_of=as_of, now=now
    )
    if newest is None or newest.result is CheckResult.HOLD:
        return _out_of_patience(ws, run, as_of, now)
    text = f"{pair.candidate} in shadow against {pair.reference}: {newest.reason}"
    if newest.result is CheckResult.FAIL:
        operations.finish_run(ws.registry, run.id, state=RunState.REJECTED, reason=text, now=now)
        return Outcome(f"run {run.id}", f"retrain rejected: {text}")
    done = approval.promote_or_ask(ws, run, Passed(pair.candidate, champion, as_of, text), now=now)
    return Outcome(f"run {run.id}", f"retrain {done.state.value}: {done.reason}")


def _promote_if_allowed(ws: Workspace, run: RetrainRun, as_of: datetime, now: datetime) -> Outcome | None:
    """Promote the candidate of a run that waits for approval, if the policy does not ask for one any more."""
    if ws.trainers.decide == "ask":
        return None
    champion = retrain_data.champion_of(ws.registry, ws.model)
    reason = run.reason.removeprefix(f"{APPROVAL}: ")
    done = approval.promote_or_ask(ws, run, Passed(str(run.challenger), champion, as_of, reason), now=now)
    return Outcome(f"run {run.id}", f"retrain {done.state.value}: {done.reason}")


def _undone(looks: Sequence[Comparison], since: datetime) -> Comparison | None:
    """Return the newest look after *since* if it has decided: a process was killed before it could act on it."""
    decided = looks and looks[-1].result is not CheckResult.HOLD and looks[-1].until > since
    return looks[-1] if decided else None


def _series_of(ws: Workspace, run: RetrainRun, champion: Champion, looks: Sequence[Comparison]) -> TrialSeries:
    """Return the series that a held run's candidate continues: that of its last look, if it had one."""
    checks = [c for c in queries.checks(ws.registry, run.id) if c.version == run.challenger and c.name == "loss"]
    alpha = next((c.numbers["alpha"] for c in checks if "alpha" in c.numbers), 1 - ws.trainers.gate.confidence)
    version = queries.version(ws.registry, ws.model, str(run.challenger))
    kind = version.version if version.state is VersionState.RETIRED else version.mode
    cause = trial_series.cause(looks[-1]) if looks else run_cause.of(ws, run)
    return trial_series.of(ws, champion, cause, kind, alpha)


def _out_of_patience(ws: Workspace, run: RetrainRun, as_of: datetime, now: datetime) -> Outcome | None:
    """Reject the candidate of a run that has been held for longer than `retrain.gate.patience`."""
    patience = ws.trainers.gate.patience
    if (as_of - run.as_of) // ws.schema.windows.slide < patience:
        return None
    reason = f"neither better nor worse within {patience} slices (retrain.gate.patience)"
    operations.finish_run(ws.registry, run.id, state=RunState.REJECTED, reason=reason, now=now)
    return Outcome(f"run {run.id}", f"retrain rejected: {reason}")


def supersede(ws: Workspace, *, now: datetime) -> None:
    """End the trials of held runs, since a new retrain takes their place; what waits for approval stays on offer."""
    for run in queries.unfinished(ws.registry, ws.model, RunState.HELD):
        if run.awaits_approval:
            continue
        reason = f"{SUPERSEDED}a new candidate takes its place, and its evidence goes on"
        operations.finish_run(ws.registry, run.id, state=RunState.REJECTED, reason=reason, now=now)


def _follow_watch(ws: Workspace, as_of: datetime, now: datetime) -> Outcome | None:
    """Look at the newest promotion; roll back if the version before is better, and return what was done."""
    pair = watched_pair(ws)
    if pair is None:
        return None
    promotion, versions = pair
    looks = tuple(queries.comparisons(ws.registry, ws.model, promotion_id=promotion.id))
    seen = sum(len(look.slices) for look in looks)
    act = ws.trainers.watch.roll_back == "act"
    undone = looks[-1] if looks and looks[-1].result is CheckResult.FAIL and act else None
    if not undone and looks and (looks[-1].result is CheckResult.FAIL or seen >= ws.trainers.watch.slices):
        return None
    series = TrialSeries("watch", WATCH_ALPHA, looks)
    newest = undone or trial.look(ws, versions, series, since=promotion.effective_at, as_of=as_of, now=now)
    if newest is None or newest.result is CheckResult.HOLD:
        return None
    text = f"{versions.candidate} against {versions.reference}: {newest.reason}"
    if newest.result is CheckResult.FAIL and act:
        return _roll_back(ws, promotion, text, as_of, now)
    return Outcome(f"promotion {promotion.id}", f"watched: {text}")


def watched_pair(ws: Workspace) -> tuple[Promotion, Pair] | None:
    """Return the newest promotion and its versions, if it is watched and both have a model file; None otherwise."""
    newest = watched(ws.registry, ws.model)
    if newest is None:
        return None
    assert newest.from_version is not None  # what is watched has taken the place of another
    files = [_version(ws, name).artifact for name in (newest.to_version, newest.from_version)]
    if None in files:
        return None
    return newest, Pair(ComparisonKind.WATCH, newest.to_version, newest.from_version, promotion_id=newest.id)


def watched(reg: Registry, model: str) -> Promotion | None:
    """Return the newest promotion if its new champion is compared with the version before it; None otherwise.

    A watch's own rollback is watched if the version that it took away had helped before: what that was good for may
    come back. One by hand is not: somebody wants it so.
    """
    newest = next(reversed(queries.promotions(reg, model)), None)
    if newest is None or newest.is_new:
        return newest
    own = newest.actor == chain.SYSTEM and newest.from_version in trial_series.helped(reg, model)
    return newest if own else None


def _version(ws: Workspace, name: str) -> Version:
    return queries.version(ws.registry, ws.model, name)


def _roll_back(ws: Workspace, promotion: Promotion, text: str, as_of: datetime, now: datetime) -> Outcome:
    """Put back the version before a promotion, with the decision on record; somebody else's promotion wins."""
    decision = operations.record_decision(
        ws.registry, model=ws.model, incident_id=None, action=Action.ROLL_BACK, because=(text,),
        actor=chain.SYSTEM, now=now, once=text,
    )  # fmt: skip
    try:
        operations.rollback(ws.registry, model=ws.model, expected_generation=promotion.generation,
                            to_version=promotion.from_version, decision_id=decision.id, actor=chain.SYSTEM,
                            reason=text, effective_at=as_of, now=now)  # fmt: skip
    except errors.StaleChampion as error:
        return Outcome(f"promotion {promotion.id}", f"not rolled back: {error.message}")
    return Outcome(f"promotion {promotion.id}", f"rolled back to {promotion.from_version}: {text}")
