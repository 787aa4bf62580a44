"""What is done for one model by schedule or by hand: react, audit, retrain; with or without Prefect around it.

`flows.Flows` does the same as Prefect flows. Both are made for an *opener*, a function that whoever serves passes on in
code: what a run is called with says which model and when, and never what is to be imported, opened or called.
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
"""Where a moment of event time may lie: with room on both sides to count periods from it."""


def in_years(moment: datetime) -> datetime:
    """Return *moment* if its year is in `YEARS`.

    Raises:
        ValueError: it is not.

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
    """What flows work with for one model: its surroundings, and how and how far back its history is counted again.

    *deliver* sends the alerts that are due, and raises nothing because a receiver does not answer.
    """

    workspace: Workspace
    replay: Replay
    audit_period: timedelta
    deliver: Callable[[], object] = bool


Opener = Callable[[str], AbstractContextManager[Job]]
"""Opens the job of a model by its name. Raises NotFound if the project has no such model."""
Publish = Callable[[Workspace, RetrainRun, Path | str], None]
"""Shows a run and the path of its comparison (or why there is none) to people, beside the registry."""


def publish_nothing(ws: Workspace, run: RetrainRun, page: Path | str) -> None:
    """Show nothing: the registry has it all."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls the steps: *call* runs one, *publish* shows what came of it, *flow_run* is an orchestrator's run."""

    call: Callable[..., Any] = retrain.call_directly
    flow_run: str | None = None
    publish: Publish = publish_nothing


PLAIN = Caller()


def run_retrain(job: Job, decision_id: int, as_of: datetime | None, by: Caller = PLAIN) -> RetrainRun:
    """Carry out a decision with what is known at *as_of* (event time; how far monitoring has come, if absent).

    The comparison is drawn and the run published also when it failed, and alerts that are due are sent.

    Raises:
        NotFound: there is no such decision.
        LeewayError: a step failed; the run is on record as failed.
    """
    ws, now = job.workspace, datetime.now(UTC)
    decision = _decision(ws, decision_id)
    moment = as_of or reconcile.clock(ws) or now
    try:
        return retrain.run(ws, RetrainRequest(decision, moment, now, by.flow_run), call=by.call)
    finally:
        for run in queries.runs(ws.registry, ws.model):
            if run.decision_id == decision.id:
                by.publish(ws, run, _page(ws, run, by))
        job.deliver()


def run_reconcile(job: Job, as_of: datetime | None, execute: reconcile.Execute) -> list[reconcile.Outcome]:
    """Give every incident its decision and every decision to retrain its run, by *execute*; then send alerts."""
    outcomes = reconcile.reconcile(job.workspace, now=datetime.now(UTC), as_of=as_of, execute=execute)
    job.deliver()
    return outcomes


def run_audit(job: Job, start: datetime | None, end: datetime | None, by: Caller = PLAIN) -> AuditResult:
    """Audit [start, end] in event time; if absent, up to where monitoring has come, as far back as the project says."""
    ws, now = job.workspace, datetime.now(UTC)
    until = end or reconcile.clock(ws) or now
    since = start or until - job.audit_period
    done: AuditResult = by.call(AUDIT, ws, start=since, end=until, replay=job.replay, now=now)
    job.deliver()
    return done


@dataclass(frozen=True)
class ByHand:
    """What `flows.Flows` does, in this process and without Prefect."""

    open_job: Opener

    def retrain(self, model: str, decision_id: int, as_of: datetime | None = None) -> RetrainRun:
        """Do what `carry_out` does for *model*."""
        with self.open_job(model) as job:
            return run_retrain(job, decision_id, as_of)

    def react(self, model: str, as_of: datetime | None = None) -> list[reconcile.Outcome]:
        """Do what `look` does for *model*."""

        def execute(ws: Workspace, order: RetrainRequest) -> RetrainRun:
            return self.retrain(ws.model, order.decision.id, order.as_of)

        with self.open_job(model) as job:
            return run_reconcile(job, as_of, execute)

    def audit(self, model: str, start: datetime | None = None, end: datetime | None = None) -> AuditResult:
        """Do what `examine` does for *model*."""
        with self.open_job(model) as job:
            return run_audit(job, start, end)


def _decision(ws: Workspace, decision_id: int) -> Decision:
    decision = queries.decision(ws.registry, decision_id)
    if decision.model != ws.model:
        msg = f"decision {decision_id} is about model {decision.model}, not {ws.model}"
        raise errors.NotFound(msg, hint="`leeway retrain` makes one")
    return decision


def _page(ws: Workspace, run: RetrainRun, by: Caller) -> Path | str:
    """Return the comparison's path; a picture that cannot be drawn is told of, but undoes no retrain."""
    try:
        path: Path = by.call(PAGE, ws, run)
    except Exception as error:
        return f"There is no comparison of baseline and drifted window: {error}"
    return path
