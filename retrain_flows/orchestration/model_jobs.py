"""Jobs of one model: reconcile, audit, retrain; by schedule or by hand, with or without Prefect.

:mod:`retrain_flows.orchestration.flows` runs them as Prefect flows. The serving process passes an opener in code: the
parameters of a run say which model and as of when, and never what to import, open or call.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from features import errors
from features.window import UTC
from registry import queries
from registry.records import AuditResult, Decision, RetrainRun
from retrain_flows import reconcile, retrain
from retrain_flows.audit import audit
from retrain_flows.audit.recount import Replay
from retrain_flows.data.workspace import Workspace
from retrain_flows.orchestration import evidently_report
from retrain_flows.retrain import RetrainRequest

PAGE: retrain.Call = evidently_report.write
AUDIT: retrain.Call = audit.audit
YEARS = range(1971, 2200)
"""Years in which a moment of event time may lie: periods can be added and subtracted without overflow."""


def in_years(moment: datetime) -> datetime:
    """Return a moment whose year is in `YEARS`.

    Raises
    ------
    ValueError
        It is not.

    Examples
    --------
    >>> in_years(datetime(1, 1, 1))
    Traceback (most recent call last):
    ValueError: the year 1 is not between 1971 and 2199
    """
    if moment.year not in YEARS:
        msg = f"the year {moment.year} is not between {YEARS.start} and {YEARS.stop - 1}"
        raise ValueError(msg)
    return moment


@dataclass(frozen=True)
class Job:
    """What the jobs of one model need.

    Parameters
    ----------
    workspace
        The model's workspace.
    replay
        Counts the windows of a period again, in batch.
    audit_period
        How far back an audit reaches.
    deliver
        Sends the alerts that are due; raises nothing if a receiver does not answer.
    pages
        The address of Leeway's pages, for links to them; "" if there is none.
    """

    workspace: Workspace
    replay: Replay
    audit_period: timedelta
    deliver: Callable[[], object] = bool
    pages: str = ""


Opener = Callable[[str], AbstractContextManager[Job]]
"""Opens the job of a model by its name. Raises NotFound if the project has no such model."""
Publish = Callable[[Workspace, RetrainRun, Path | str], None]
"""Publishes a run with the path of its Evidently report, or the reason why there is none."""


def publish_nothing(ws: Workspace, run: RetrainRun, page: Path | str) -> None:
    """Publish nothing: all of it is in the registry."""


@dataclass(frozen=True, slots=True)
class Caller:
    """How an orchestrator takes part in a job.

    Parameters
    ----------
    call
        Calls a step, as a task or directly.
    flow_run
        The id of the orchestrator's run; None without one.
    publish
        Publishes a finished run.
    """

    call: Callable[..., Any] = retrain.call_directly
    flow_run: str | None = None
    publish: Publish = publish_nothing


PLAIN = Caller()
"""No orchestrator: steps are called directly."""


def decision(ws: Workspace, decision_id: int) -> Decision:
    """Return a decision of the model; NotFound if it is another model's."""
    decided = queries.decision(ws.registry, decision_id)
    if decided.model != ws.model:
        msg = f"decision {decision_id} is about model {decided.model}, not {ws.model}"
        raise errors.NotFound(msg, hint="`leeway retrain` makes a decision and carries it out")
    return decided


def run_retrain(job: Job, decision_id: int, as_of: datetime | None, by: Caller = PLAIN) -> RetrainRun:
    """Carry out a decision to retrain; then publish the run, also if it failed, and send alerts that are due.

    Parameters
    ----------
    job
        The model's job.
    decision_id
        The decision.
    as_of
        The moment, in event time, as of which data are read; if absent, the end of the newest window on record.
    by
        The orchestrator.

    Raises
    ------
    NotFound
        The model has no such decision.
    LeewayError
        A step failed; the run is recorded as failed.
    """
    ws, now = job.workspace, datetime.now(UTC)
    decided = decision(ws, decision_id)
    moment = as_of or reconcile.clock(ws) or now
    try:
        return retrain.run(ws, RetrainRequest(decided, moment, now, by.flow_run), call=by.call)
    finally:
        if run := queries.run_of(ws.registry, decided.id):
            by.publish(ws, run, _page(ws, run, by))
        job.deliver()


def run_reconcile(job: Job, as_of: datetime | None, execute: reconcile.Execute) -> list[reconcile.Outcome]:
    """Run the reconciler as of a moment in event time, with *execute* for retrains; then send alerts that are due."""
    outcomes = reconcile.reconcile(job.workspace, now=datetime.now(UTC), as_of=as_of, execute=execute)
    job.deliver()
    return outcomes


def run_audit(job: Job, start: datetime | None, end: datetime | None, by: Caller = PLAIN) -> AuditResult:
    """Audit [start, end] in event time; if absent, the audit period up to the end of the newest window on record."""
    ws, now = job.workspace, datetime.now(UTC)
    until = end or reconcile.clock(ws) or now
    since = start or until - job.audit_period
    done: AuditResult = by.call(AUDIT, ws, start=since, end=until, replay=job.replay, now=now)
    job.deliver()
    return done


@dataclass(frozen=True)
class ByHand:
    """The jobs without Prefect, in this process, as methods named like the flows."""

    open_job: Opener

    def retrain(self, model: str, decision_id: int, as_of: datetime | None = None) -> RetrainRun:
        """Carry out a decision to retrain."""
        with self.open_job(model) as job:
            return run_retrain(job, decision_id, as_of)

    def react(self, model: str, as_of: datetime | None = None) -> list[reconcile.Outcome]:
        """Decide about undecided incidents and carry out decisions."""

        def execute(ws: Workspace, order: RetrainRequest) -> RetrainRun:
            return self.retrain(ws.model, order.decision.id, order.as_of)

        with self.open_job(model) as job:
            return run_reconcile(job, as_of, execute)

    def audit(self, model: str, start: datetime | None = None, end: datetime | None = None) -> AuditResult:
        """Audit a period in event time."""
        with self.open_job(model) as job:
            return run_audit(job, start, end)


def _page(ws: Workspace, run: RetrainRun, by: Caller) -> Path | str:
    """Return the path of the Evidently report, or why there is none: a failing report must not undo a retrain."""
    try:
        path: Path = by.call(PAGE, ws, run)
    except Exception as error:
        return f"There is no Evidently report of baseline and drifted window: {error}"
    return path
