"""Prefect flows: retrain, reconciler ("react") and audit; each step of a retrain is a task.

Nothing is decided here (see :mod:`retrain_flows.orchestration.model_jobs`). Prefect provides schedules, logs and pages.
What must not be lost is in the registry: Prefect may forget or repeat a flow run, and the outcome is the same.

Whoever may use Prefect's API chooses the parameters of a flow. These are a model's name, a decision's number and times,
all of them validated; the project and the code to run are fixed by the serving process.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from prefect import Flow, flow, get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import AfterValidator, AwareDatetime, Field

from registry import queries
from registry.records import AuditResult, RetrainRun
from retrain_flows import reconcile, retrain
from retrain_flows.data.workspace import Workspace
from retrain_flows.orchestration import model_jobs, run_summary
from retrain_flows.orchestration.model_jobs import Caller, Opener
from retrain_flows.retrain import RetrainRequest

REACT = "leeway-react"
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="a model of the project")]
DecisionId = Annotated[int, Field(ge=1, le=2**63 - 1, description="a decision of that model")]
Moment = Annotated[AwareDatetime, AfterValidator(model_jobs.in_years)]

# Results stay in memory, and nothing is reused between runs: a step's inputs are far more than its arguments.
_TASKS = {
    step: task(name=step.__name__, cache_policy=NO_CACHE, persist_result=False)(step)
    for step in (*retrain.STEPS, model_jobs.PAGE, model_jobs.AUDIT)
}


@dataclass(frozen=True, slots=True)
class Flows:
    """The flows of one project. Called directly, each runs in this process and is recorded by Prefect."""

    retrain: Flow[..., RetrainRun]
    react: Flow[..., list[reconcile.Outcome]]
    audit: Flow[..., AuditResult]


def of(open_job: Opener) -> Flows:
    """Return the flows for the models that *open_job* opens."""

    @flow(name="leeway-retrain", flow_run_name="retrain-{model}-{decision_id}", persist_result=False)
    def retrain_flow(model: ModelName, decision_id: DecisionId, as_of: Moment | None = None) -> RetrainRun:
        """Carry out a decision to retrain; its checks and summary become artifacts, also if it failed."""
        with open_job(model) as opened:
            return model_jobs.run_retrain(opened, decision_id, as_of, _caller())

    @flow(name=REACT, flow_run_name="react-{model}", persist_result=False)
    def react_flow(model: ModelName, as_of: Moment | None = None) -> list[reconcile.Outcome]:
        """Decide about undecided incidents and carry out decisions; safe to be called at any time."""

        def execute(ws: Workspace, order: RetrainRequest) -> RetrainRun:
            done: RetrainRun = retrain_flow(ws.model, order.decision.id, order.as_of)
            return done

        with open_job(model) as opened:
            outcomes = model_jobs.run_reconcile(opened, as_of, execute)
        for outcome in outcomes:
            get_run_logger().info("%s: %s", outcome.subject, outcome.result)
        return outcomes

    @flow(name="leeway-audit", flow_run_name="audit-{model}", persist_result=False)
    def audit_flow(model: ModelName, start: Moment | None = None, end: Moment | None = None) -> AuditResult:
        """Audit [start, end] in event time; if absent, the audit period up to the newest window on record."""
        with open_job(model) as opened:
            done = model_jobs.run_audit(opened, start, end, _caller())
            text = (opened.workspace.state / done.report).read_text()
        create_markdown_artifact(text, key=_key(model, "audit"), description=f"Audit {done.id}")
        return done

    return Flows(retrain_flow, react_flow, audit_flow)


def _caller() -> Caller:
    return Caller(_as_task, str(runtime.flow_run.id), _publish)


def _as_task(step: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return _TASKS[step](*args, **options)


def _publish(ws: Workspace, run: RetrainRun, page: Path | str) -> None:
    """Store the gate's checks and the summary of a run as Prefect artifacts."""
    if isinstance(page, str):
        get_run_logger().warning("run %s: %s", run.id, page)
    checks = run_summary.table(queries.checks(ws.registry, run.id))
    create_table_artifact(checks, key=_key(ws.model, "gate"), description=f"Gate checks of run {run.id}")
    summary = run_summary.markdown(ws, run, page)
    create_markdown_artifact(summary, key=_key(ws.model, "retrain"), description=f"Summary of run {run.id}")


def _key(model: str, kind: str) -> str:
    """Return the key of an artifact; an artifact with the same key is a new version of it.

    >>> _key("late_Flights", "gate")
    'late-flights-gate'
    """
    return re.sub(r"[^a-z0-9]+", "-", f"{model}-{kind}".lower()).strip("-")
