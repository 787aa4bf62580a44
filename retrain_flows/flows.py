"""The Prefect shell: each step of a retrain is a task, each look at the registry and each audit is a flow.

Nothing is decided here. Prefect gives schedules, logs and a page a run. What must not be lost is in the registry:
Prefect may forget a flow run or repeat it, and the outcome is the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from features import errors
from features.window import UTC
from registry import queries
from registry.records import AuditResult, Decision, RetrainRun
from retrain_flows import audit, comparison, react, retrain, summary
from retrain_flows.job import Where
from retrain_flows.retrain import Order
from retrain_flows.workspace import Workspace

_PAGE: retrain.Call = comparison.write
_AUDIT: retrain.Call = audit.audit
# Results stay in memory, and nothing is reused between runs: a step's inputs are far more than its arguments.
_TASKS = {
    step: task(name=step.__name__, cache_policy=NO_CACHE, persist_result=False)(step)
    for step in (*retrain.STEPS, _PAGE, _AUDIT)
}


def _as_task(step: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return _TASKS[step](*args, **options)


@flow(name="leeway-retrain", flow_run_name="retrain-{where.model}-{decision_id}", persist_result=False)
def retrain_flow(where: Where, decision_id: int, as_of: datetime | None = None) -> RetrainRun:
    """Carry out a decision with what is known at *as_of* (event time; how far monitoring has come, if absent).

    The run's checks, its story and the path of the comparison become artifacts, also when it failed.

    Raises:
        NotFound: there is no such decision.
        LeewayError: a step failed; the run is on record as failed.
    """
    with where.open() as job:
        ws, now = job.workspace, datetime.now(UTC)
        decision = _decision(ws, decision_id)
        moment = as_of or react.clock(ws) or now
        try:
            return retrain.run(ws, Order(decision, moment, now, str(runtime.flow_run.id)), call=_as_task)
        finally:
            _publish(ws, decision)
            job.deliver()


@flow(name="leeway-react", flow_run_name="react-{where.model}", persist_result=False)
def react_flow(where: Where, as_of: datetime | None = None) -> list[react.Outcome]:
    """Give every incident its decision and every decision to retrain its run; safe to be called at any time."""

    def execute(ws: Workspace, order: Order) -> RetrainRun:
        done: RetrainRun = retrain_flow(where, order.decision.id, order.as_of)
        return done

    with where.open() as job:
        outcomes = react.react(job.workspace, now=datetime.now(UTC), as_of=as_of, execute=execute)
        job.deliver()
    for outcome in outcomes:
        get_run_logger().info("%s: %s", outcome.subject, outcome.result)
    return outcomes


@flow(name="leeway-audit", flow_run_name="audit-{where.model}", persist_result=False)
def audit_flow(where: Where, start: datetime | None = None, end: datetime | None = None) -> AuditResult:
    """Audit [start, end] in event time; if absent, up to where monitoring has come, as far back as the project says."""
    with where.open() as job:
        ws, now = job.workspace, datetime.now(UTC)
        until = end or react.clock(ws) or now
        since = start or until - job.audit_period
        done: AuditResult = _as_task(_AUDIT, ws, start=since, end=until, replay=job.replay, now=now)
        text = (ws.state / done.report).read_text()
        job.deliver()
    create_markdown_artifact(text, key=_key(where.model, "audit"), description=f"Audit {done.id}")
    return done


def _decision(ws: Workspace, decision_id: int) -> Decision:
    for decision in queries.decisions(ws.registry, ws.model):
        if decision.id == decision_id:
            return decision
    msg = f"{ws.model} has no decision {decision_id}"
    raise errors.NotFound(msg, hint="`leeway retrain` makes one")


def _publish(ws: Workspace, decision: Decision) -> None:
    for run in queries.runs(ws.registry, ws.model):
        if run.decision_id == decision.id:
            checks = summary.table(queries.checks(ws.registry, run.id))
            create_table_artifact(checks, key=_key(ws.model, "gate"), description=f"The gate of run {run.id}")
            told = summary.markdown(ws, run, _page(ws, run))
            create_markdown_artifact(told, key=_key(ws.model, "retrain"), description=f"Run {run.id}")


def _page(ws: Workspace, run: RetrainRun) -> Path | str:
    """Return the comparison's path; a picture that cannot be drawn is told of, but undoes no retrain."""
    try:
        path: Path = _as_task(_PAGE, ws, run)
    except Exception as error:
        get_run_logger().warning("no comparison for run %s: %s", run.id, error)
        return f"There is no comparison of baseline and drifted window: {error}"
    return path


def _key(model: str, kind: str) -> str:
    """Return an artifact's key; the same key again is a new version of it.

    >>> _key("late_Flights", "gate")
    'late-flights-gate'
    """
    return re.sub(r"[^a-z0-9]+", "-", f"{model}-{kind}".lower()).strip("-")
