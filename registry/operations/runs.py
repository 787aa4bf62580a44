"""Operations on retrain runs: one run a decision, and one at a time a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Literal

import sqlalchemy as sa

from features.errors import IllegalMove
from registry import lookups, outbox
from registry.audit_log import chain
from registry.connection import Registry
from registry.database import mapping, tables
from registry.operations.versions import set_state
from registry.records import (
    Action,
    AuditEntry,
    Check,
    CheckResult,
    Comparison,
    Decision,
    RetrainRun,
    RunState,
    Version,
    VersionState,
)


def start_run(reg: Registry, *, decision_id: int, as_of: datetime, flow_run: str | None, now: datetime) -> RetrainRun:
    """Start the run of a decision to retrain, and return it.

    Parameters
    ----------
    as_of
        The event time up to which the run may use data.
    flow_run
        The id of its Prefect flow run; None outside Prefect.

    Raises
    ------
    NotFound
        There is no such decision.
    IllegalMove
        The decision is not to retrain or has been carried out, or another run of the model is going on.
    """
    with reg.write() as c:
        _require_no_other_run(c, decision := lookups.decision(c, decision_id))
        number = mapping.insert(c, tables.retrain_runs, decision_id=decision_id, model=decision.model,
                             state=RunState.RUNNING, as_of=as_of, flow_run=flow_run, started_at=now)  # fmt: skip
        run = lookups.run(c, number)
        _log(c, run, "retrain.started", now, {"decision": decision_id, "flow_run": flow_run})
        return run


def set_challenger(reg: Registry, run_id: int, version: str, *, now: datetime) -> RetrainRun:
    """Record which version a run would promote; NotFound if it is not registered, IllegalMove if the run has ended."""
    with reg.write() as c:
        run = require_running(c, run_id)
        lookups.version(c, run.model, version)
        mapping.update(c, tables.retrain_runs, tables.retrain_runs.c.id == run_id, challenger=version)
        _log(c, run, "retrain.challenger", now, {"version": version})
        return lookups.run(c, run_id)


def record_checks(reg: Registry, run_id: int, checks: Sequence[Check], *, now: datetime) -> None:
    """Record the checks of a run's gate; the same again is no change.

    Raises
    ------
    IllegalMove
        A check of that name and version has another result on record, which is never overwritten; or the run has ended.
    """
    with reg.write() as c:
        run = require_running(c, run_id)
        recorded = {(k.version, k.name): k for k in lookups.checks(c, run_id)}
        new = [check for check in checks if recorded.get((check.version, check.name)) != check]
        for check in new:
            if (check.version, check.name) in recorded:
                msg = f"check {check.name} of run {run_id} is recorded already, with another result"
                raise IllegalMove(msg, hint="a gate is run once; start another run")
            mapping.insert(c, tables.checks, run_id=run_id, **check.model_dump())
        if new:
            _log(c, run, "retrain.checked", now, {"checks": [f"{k.version} {k.name}: {k.result.value}" for k in new]})


def hold_run(
    reg: Registry, run_id: int, *, challenger: str, reason: str, now: datetime,
    supersedes: Mapping[int, str] = MappingProxyType({}),
) -> RetrainRun:  # fmt: skip
    """Hold a run whose candidate is neither better nor worse yet, or has passed the gate and waits for approval.

    The incident stays open. :func:`record_look` records what labels that come show; then the run is promoted or
    finished. A run that is held may be held again, for another reason.

    Parameters
    ----------
    challenger
        The candidate.
    reason
        Why it is held.
    now
        The time that is recorded.
    supersedes
        Why earlier runs, by number, are off the offer: they are rejected in the same transaction, so that never two
        wait for approval. One that has ended meanwhile stays as it is.

    Raises
    ------
    IllegalMove
        The run has ended.
    """
    with reg.write() as c:
        run = require_running(c, run_id)
        lookups.version(c, run.model, challenger)
        mapping.update(c, tables.retrain_runs, tables.retrain_runs.c.id == run_id, state=RunState.HELD,
                       challenger=challenger, reason=reason)  # fmt: skip
        _reject_candidates(c, run, but=challenger)
        held = lookups.run(c, run_id)
        entry = _log(c, run, "retrain.held", now, {"challenger": challenger, "reason": reason})
        outbox.add_message(c, entry, {"run": held.model_dump(mode="json")})
        for earlier, why in supersedes.items():
            if not (other := lookups.run(c, earlier)).state.is_final:
                finish(c, other, RunState.REJECTED, why, chain.SYSTEM, now)
        return held


def record_look(reg: Registry, comparison: Comparison) -> Comparison:
    """Record a look at a comparison of two versions, and return it with its number; one that is recorded stays."""
    t = tables.comparisons.c
    same = (t.kind == comparison.kind.value, t.candidate == comparison.candidate, t.look == comparison.look)
    of = t.run_id == comparison.run_id if comparison.run_id is not None else t.promotion_id == comparison.promotion_id
    with reg.write() as c:
        recorded = lookups.comparisons(c, *same, of)
        if recorded:
            return recorded[0]
        values = {name: getattr(comparison, name) for name in Comparison.model_fields if name != "id"}
        number = mapping.insert(c, tables.comparisons, **values)
        details = {"kind": comparison.kind.value, "reference": comparison.reference, "look": comparison.look,
                   "result": comparison.result.value, "reason": comparison.reason}  # fmt: skip
        action = f"{comparison.kind.value}.look"
        chain.append(
            c, chain.Line(comparison.made_at, chain.SYSTEM, action, comparison.model, comparison.candidate, details)
        )
        return comparison.model_copy(update={"id": number})


def finish_run(
    reg: Registry, run_id: int, *, state: Literal[RunState.REJECTED, RunState.FAILED], reason: str,
    actor: str = chain.SYSTEM, now: datetime,
) -> RetrainRun:  # fmt: skip
    """End a run that promotes nothing: its candidates are rejected.

    Its incident stays open, and its decision is revised when the next retrain is possible. A run that promotes is ended
    by :func:`registry.operations.champion.promote`. *actor* is who ends it.

    Raises
    ------
    IllegalMove
        The run has ended.
    """
    with reg.write() as c:
        return finish(c, require_running(c, run_id), state, reason, actor, now)


def finish(c: sa.Connection, run: RetrainRun, state: RunState, reason: str, actor: str, now: datetime) -> RetrainRun:
    """End a run that promotes nothing in the caller's transaction, with its audit line and message."""
    end_run(c, run, state=state, reason=reason, now=now)
    done = lookups.run(c, run.id)
    entry = _log(c, run, f"retrain.{state.value}", now, {"reason": reason}, actor)
    outbox.add_message(c, entry, {"run": done.model_dump(mode="json")})
    return done


def end_run(c: sa.Connection, run: RetrainRun, *, state: RunState, reason: str, now: datetime) -> None:
    """End *run* in the caller's transaction, and reject all its candidates that were not promoted."""
    t = tables.retrain_runs
    mapping.update(c, t, t.c.id == run.id, state=state, reason=reason, finished_at=now)
    _reject_candidates(c, run)


def _reject_candidates(c: sa.Connection, run: RetrainRun, but: str = "") -> None:
    """Reject all candidates of a run that were not promoted, *but* one."""
    t = tables.versions.c
    names = {run.challenger, *(check.version for check in lookups.checks(c, run.id))} - {None, but}
    lost = mapping.select(Version, t.model == run.model, t.version.in_(names), t.state == VersionState.CANDIDATE.value)
    for version in mapping.fetch(c, Version, lost):
        set_state(c, version, VersionState.REJECTED)


def require_running(c: sa.Connection, run_id: int) -> RetrainRun:
    """Return a run that is running or held; IllegalMove if it has ended, NotFound if there is none."""
    run = lookups.run(c, run_id)
    if run.state.is_final:
        msg = f"run {run_id} is {run.state.value} already"
        raise IllegalMove(msg, hint="a finished run never changes; decide again")
    return run


def require_passed(c: sa.Connection, run: RetrainRun, version: str) -> None:
    """Raise IllegalMove, naming them, if any check of *version* in *run* did not pass."""
    trial = lookups.comparisons(c, tables.comparisons.c.run_id == run.id, tables.comparisons.c.candidate == version)
    better = bool(trial) and trial[-1].result is CheckResult.PASS
    failed = [
        k.name for k in lookups.checks(c, run.id)
        if k.version in (version, "") and k.result is not CheckResult.PASS and not (better and _settled_by_trial(k))
    ]  # fmt: skip
    if failed:
        msg = f"{run.model} {version} did not pass {', '.join(failed)}"
        raise IllegalMove(msg, hint="a run promotes what passed its gate; to overrule it, register the model by hand")


def _settled_by_trial(check: Check) -> bool:
    """Return whether a check that was on hold is settled by a trial that the candidate passed: rows and loss."""
    return check.name in ("rows", "loss") and check.result is CheckResult.HOLD


def _require_no_other_run(c: sa.Connection, decision: Decision) -> None:
    """Raise IllegalMove unless *decision* is to retrain, has no run yet, and no run of its model is going on."""
    if decision.action is not Action.RETRAIN:
        msg = f"decision {decision.id} is to {decision.action.value}, not to retrain"
        raise IllegalMove(msg)
    t = tables.retrain_runs.c
    for run in mapping.fetch(c, RetrainRun, mapping.select(RetrainRun, t.model == decision.model).order_by(t.id)):
        if run.decision_id == decision.id:
            msg = f"decision {decision.id} was carried out by run {run.id} ({run.state.value})"
            raise IllegalMove(msg, hint="a decision makes one run; decide again")
        if run.state is RunState.RUNNING:
            msg = f"run {run.id} of {decision.model} is still running"
            raise IllegalMove(msg, hint="wait for it, or end it as failed")


def _log(
    c: sa.Connection,
    run: RetrainRun,
    action: str,
    now: datetime,
    details: dict[str, chain.Detail],
    actor: str = chain.SYSTEM,
) -> AuditEntry:
    return chain.append(c, chain.Line(now, actor, action, run.model, f"run {run.id}", details))
