"""Prefect flows: retrain by decision or by hand, reconciler ("react") and audit; each step of a retrain is a task.

Nothing is decided here (see :mod:`retrain_flows.orchestration.model_jobs`). Prefect provides schedules, logs and pages.
What must not be lost is in the registry: Prefect may forget or repeat a flow run, and the outcome is the same.

Whoever may use Prefect's API chooses the parameters of a flow. These are a model's name, a decision's number, times,
and for a retrain by hand a reason and a name for the audit log; all of them are validated. The project and the code to
run are fixed by the serving process.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar, cast

from prefect import Flow, flow, get_run_logger, runtime
from prefect.states import Completed
from pydantic import AfterValidator, AwareDatetime, Field

from features import errors
from features.window import UTC
from registry import baseline_plan, queries
from registry.records import AuditResult, Decision, RetrainRun
from retrain_flows import reconcile
from retrain_flows.data.workspace import Workspace
from retrain_flows.orchestration import (
    flow_artifacts,
    flow_tasks,
    manual_decision,
    model_jobs,
    prefect_outage,
    run_log,
    run_names,
)
from retrain_flows.orchestration.model_jobs import Caller, Job, Opener
from retrain_flows.retrain import RetrainRequest

Result = TypeVar("Result")
REACT = "leeway-react"
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="a model of the project")]
DecisionId = Annotated[int, Field(ge=1, le=2**63 - 1, description="a decision of that model")]
Moment = Annotated[AwareDatetime, AfterValidator(model_jobs.in_years)]
Reason = Annotated[str, Field(min_length=1, max_length=500, description="why, for the audit log")]
ActorName = Annotated[str, Field(min_length=1, max_length=100, description="your name, for the audit log")]


@dataclass(frozen=True, slots=True)
class Flows:
    """The flows of one project. Called directly, each runs in this process and is recorded by Prefect.

    Parameters
    ----------
    retrain
        Carries out a decision.
    by_hand
        Records a decision that a person makes, and carries it out.
    react
        Decides about incidents, and carries decisions out.
    audit
        Audits a period.
    """

    retrain: Flow[..., RetrainRun]
    by_hand: Flow[..., RetrainRun]
    react: Flow[..., list[reconcile.Outcome]]
    audit: Flow[..., AuditResult]


def of(open_job: Opener) -> Flows:
    """Return the flows for the models that *open_job* opens."""

    @flow(name="leeway-retrain-decision", flow_run_name="{model}: retrain", persist_result=False)
    def retrain_flow(model: ModelName, decision_id: DecisionId, as_of: Moment | None = None) -> RetrainRun:
        """Carry out a decision to retrain; its checks and summary become artifacts, also if it failed."""
        with open_job(model) as opened:
            return _retrained(opened, model_jobs.decision(opened.workspace, decision_id), as_of)

    @flow(name="leeway-retrain", flow_run_name="{model}: retrain by {actor}", persist_result=False)
    def by_hand_flow(model: ModelName, reason: Reason, actor: ActorName, as_of: Moment | None = None) -> RetrainRun:
        """Retrain a model now, for a reason that is recorded; the gate decides whether the result is promoted."""
        with open_job(model) as opened:
            source = f"started on Prefect's pages, flow run {runtime.flow_run.id}"
            now = datetime.now(UTC)
            decision = manual_decision.record(opened.workspace, reason=reason, actor=actor, now=now, source=source)
            try:
                return _retrained(opened, decision, as_of)
            except errors.IllegalMove as error:
                if queries.run_of(opened.workspace.registry, decision.id) is not None:
                    raise
                return _later(decision, error)

    @flow(name=REACT, flow_run_name="{model}: reconcile", persist_result=False)
    def react_flow(model: ModelName, as_of: Moment | None = None) -> list[reconcile.Outcome]:
        """Decide about undecided incidents and carry out decisions; safe to be called at any time."""
        made: list[str] = []
        with open_job(model) as opened:
            undecided = queries.undecided(opened.workspace.registry, model)
            flow_artifacts.rename(run_names.reconcile_name(model, undecided), run_names.tags(model, undecided))

            def execute(ws: Workspace, order: RetrainRequest) -> RetrainRun:
                try:
                    done: RetrainRun = retrain_flow(model, order.decision.id, order.as_of)
                except Exception as error:
                    if not prefect_outage.is_outage(error):
                        raise
                    return model_jobs.run_retrain(opened, order.decision.id, order.as_of)
                made.append(run_log.state_name(done, queries.checks(ws.registry, done.id)))
                return done

            return _reconciled(model_jobs.run_reconcile(opened, as_of, execute), made)

    @flow(name="leeway-audit", flow_run_name="{model}: audit", persist_result=False)
    def audit_flow(model: ModelName, start: Moment | None = None, end: Moment | None = None) -> AuditResult:
        """Audit [start, end] in event time; if absent, the audit period up to the newest window on record."""
        flow_artifacts.rename(run_names.audit_name(model, start, end), run_names.tags(model))
        with open_job(model) as opened:
            done = model_jobs.run_audit(opened, start, end, _caller(opened))
            flow_artifacts.publish_audit(opened, done)
        return _audited(done)

    return Flows(retrain_flow, by_hand_flow, react_flow, audit_flow)


def _caller(job: Job) -> Caller:
    def publish(ws: Workspace, run: RetrainRun, page: Any) -> None:
        flow_artifacts.publish(job, run, page)

    return Caller(flow_tasks.call, str(runtime.flow_run.id), publish)


def _retrained(job: Job, decision: Decision, as_of: datetime | None) -> RetrainRun:
    """Carry out a decision under its name; return the final state, whose name is the outcome."""
    ws, log = job.workspace, get_run_logger()
    flow_artifacts.rename(run_names.retrain_name(ws.registry, decision), run_names.decision_tags(ws.registry, decision))
    log.info("Decision %s by %s: %s", decision.id, decision.actor, "; ".join(decision.because))
    try:
        done = model_jobs.run_retrain(job, decision.id, as_of, _caller(job))
    except errors.LeewayError as error:
        log.error("Failed: %s%s", error.message, f" Hint: {error.hint}" if error.hint else "")
        raise
    checks = queries.checks(ws.registry, done.id)
    log.info("%s", run_log.outcome(done, checks))
    log.info("%s", run_log.next_step(done, checks, ws.retrain, baseline_plan.read(ws.registry, ws.model)))
    return _completed(run_log.state_name(done, checks), run_log.outcome(done, checks), done)


def _later(decision: Decision, error: errors.LeewayError) -> RetrainRun:
    """Return the state of a retrain by hand that another one keeps waiting."""
    message = f"Decision {decision.id} is on record and will be carried out by the reconciler: {error.message}"
    return _completed("Waits", message, cast("RetrainRun", None))


def _reconciled(outcomes: list[reconcile.Outcome], made: list[str]) -> list[reconcile.Outcome]:
    """Return the final state of a reconcile, named by its retrains if there were any, with each outcome."""
    for outcome in outcomes:
        get_run_logger().info("%s: %s", outcome.subject, outcome.result)
    message = ". ".join(f"{outcome.subject.capitalize()}: {outcome.result}" for outcome in outcomes)
    failed = ["Retrain failed"] if any(o.result.startswith("retrain failed") for o in outcomes) else []
    waits = ["Waits"] if outcomes and all(o.result.startswith("waits") for o in outcomes) else []
    name = ", ".join(dict.fromkeys([*made, *failed, *waits])) or ("Decided" if outcomes else "Nothing to do")
    return _completed(name, message or "nothing to do", outcomes)


def _audited(done: AuditResult) -> AuditResult:
    """Return the final state of an audit, which names what it found."""
    if done.passed:
        return _completed("Passed", f"Audit {done.id} found nothing that is wrong", done)
    return _completed("Findings", f"Audit {done.id}: " + "; ".join(done.findings), done)


def _completed(name: str, message: str, data: Result) -> Result:
    """Return a final state that Prefect's pages show by its name; who calls the flow gets its *data* as the result."""
    return cast("Result", Completed(name=name, message=message, data=data))
