"""Moves of retrain runs: one execution of one decision, one at a time a model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from features.errors import IllegalMove
from registry import lookups, outbox
from registry.audit_log import chain
from registry.connection import Registry
from registry.database import mapping, tables
from registry.operations import incidents, versions
from registry.records import (
    Action,
    AuditEntry,
    Check,
    CheckResult,
    Decision,
    IncidentState,
    RetrainRun,
    RunState,
    Version,
    VersionState,
)


def start_run(reg: Registry, *, decision_id: int, as_of: datetime, flow_run: str | None, now: datetime) -> RetrainRun:
    """Begin to carry out a decision to retrain, on what was known at *as_of* (event time).

    IllegalMove if the decision is another one, if it has been carried out before, or while another run of the model is
    going on: two retrains of one model never overlap, and one decision never makes two.
    """
    with reg.write() as c:
        decision = lookups.decision(c, decision_id)
        _need_no_other(c, decision)
        number = mapping.insert(c, tables.retrain_runs, decision_id=decision_id, model=decision.model,
                             state=RunState.RUNNING, as_of=as_of, flow_run=flow_run, started_at=now)  # fmt: skip
        run = lookups.run(c, number)
        _log(c, run, "retrain.started", now, {"decision": decision_id, "flow_run": flow_run})
        return run


def set_challenger(reg: Registry, run_id: int, version: str, *, now: datetime) -> RetrainRun:
    """Name the version that a run would promote; NotFound if it is not registered."""
    with reg.write() as c:
        run = running(c, run_id)
        lookups.version(c, run.model, version)
        mapping.update(c, tables.retrain_runs, tables.retrain_runs.c.id == run_id, challenger=version)
        _log(c, run, "retrain.challenger", now, {"version": version})
        return lookups.run(c, run_id)


def record_checks(reg: Registry, run_id: int, checks: Sequence[Check], *, now: datetime) -> None:
    """Write down what the gate says of a run's candidates; the same again is no change.

    IllegalMove if a check of that name and version says something else already: a result is never overwritten.
    """
    with reg.write() as c:
        run = running(c, run_id)
        known = {(k.version, k.name): k for k in _checks(c, run_id)}
        new = [check for check in checks if known.get((check.version, check.name)) != check]
        for check in new:
            if (check.version, check.name) in known:
                msg = f"check {check.name} of run {run_id} is recorded already, with another result"
                raise IllegalMove(msg, hint="a gate is run once; start another run")
            mapping.insert(c, tables.checks, run_id=run_id, **check.model_dump())
        if new:
            _log(c, run, "retrain.checked", now, {"checks": [f"{k.version} {k.name}: {k.result.value}" for k in new]})


def finish_run(
    reg: Registry, run_id: int, *, state: Literal[RunState.REJECTED, RunState.FAILED], reason: str, now: datetime
) -> RetrainRun:
    """End a run that promotes nothing. Its candidates are rejected and its incident is closed, not resolved: *reason*.

    So the next window that drifts opens a new incident, with a decision of its own. (A run that promotes is ended by
    the promotion.)
    """
    with reg.write() as c:
        run = running(c, run_id)
        end(c, run, state=state, reason=reason, now=now)
        incident_id = lookups.decision(c, run.decision_id).incident_id
        if incident_id is not None:
            incident = lookups.incident(c, incident_id)
            if incident.state is not IncidentState.RESOLVED:
                words = f"retrain {state.value}: {reason}"
                incidents.close(c, incident, resolution=words, actor=chain.SYSTEM, now=now)
        done = lookups.run(c, run_id)
        entry = _log(c, run, f"retrain.{state.value}", now, {"reason": reason})
        outbox.tell(c, entry, {"run": done.model_dump(mode="json")})
        return done


def end(c: sa.Connection, run: RetrainRun, *, state: RunState, reason: str, now: datetime) -> None:
    """Close *run* in the caller's transaction; every candidate of it that was not promoted is rejected."""
    mapping.update(
        c, tables.retrain_runs, tables.retrain_runs.c.id == run.id, state=state, reason=reason, finished_at=now
    )
    t = tables.versions.c
    names = {run.challenger, *(check.version for check in _checks(c, run.id))} - {None}
    lost = mapping.select(Version, t.model == run.model, t.version.in_(names), t.state == VersionState.CANDIDATE.value)
    for version in mapping.fetch(c, Version, lost):
        versions.set_state(c, version, VersionState.REJECTED)


def running(c: sa.Connection, run_id: int) -> RetrainRun:
    """Return the run, which must still be going on: IllegalMove otherwise."""
    run = lookups.run(c, run_id)
    if run.state is not RunState.RUNNING:
        msg = f"run {run_id} is {run.state.value} already"
        raise IllegalMove(msg, hint="a finished run never changes; decide again")
    return run


def need_passed(c: sa.Connection, run: RetrainRun, version: str) -> None:
    """Raise IllegalMove, naming them, if any check of *version* in *run* did not pass."""
    failed = [k.name for k in _checks(c, run.id) if k.version in (version, "") and k.result is not CheckResult.PASS]
    if failed:
        msg = f"{run.model} {version} did not pass {', '.join(failed)}"
        raise IllegalMove(msg, hint="a run promotes what passed its gate; to overrule it, register the model by hand")


def _need_no_other(c: sa.Connection, decision: Decision) -> None:
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


def _checks(c: sa.Connection, run_id: int) -> list[Check]:
    return mapping.fetch(c, Check, mapping.select(Check, tables.checks.c.run_id == run_id).order_by(tables.checks.c.id))


def _log(c: sa.Connection, run: RetrainRun, action: str, now: datetime, details: dict[str, chain.Detail]) -> AuditEntry:
    return chain.append(c, chain.Line(now, chain.SYSTEM, action, run.model, f"run {run.id}", details))
