"""Serves the flows from this process: the reconciler every minute, the audit by its cron, a retrain on request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from prefect import serve as serve_deployments
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy, StateType
from prefect.deployments.runner import RunnerDeployment
from prefect.flows import Flow
from prefect.schedules import Cron, Interval, Schedule
from prefect.states import Crashed
from prefect.types.entrypoint import EntrypointType

from retrain_flows import flows
from retrain_flows.job import Where

EVERY = timedelta(minutes=1)


def deployments(places: Sequence[Where], *, audit_cron: str, every: timedelta = EVERY) -> list[RunnerDeployment]:
    """Return three deployments a model: ``react-<model>``, ``audit-<model>`` and ``retrain-<model>`` (no schedule)."""
    return [
        deployment
        for where in places
        for deployment in (
            _deployment(flows.react_flow, "react", where, Interval(every, slug="react")),
            _deployment(flows.audit_flow, "audit", where, Cron(audit_cron, timezone="UTC", slug="audit")),
            _deployment(flows.retrain_flow, "retrain", where, None),
        )
    ]


def serve(places: Sequence[Where], *, audit_cron: str, every: timedelta = EVERY) -> None:
    """Register the deployments with the server of ``PREFECT_API_URL``, and run them when due, until interrupted.

    The schedules stay active when this process ends: whoever starts it again goes on with them. One process serves: a
    run that is said to be at work when it starts died with the one before, and lets go of its deployment's slot.
    """
    made = deployments(places, audit_cron=audit_cron, every=every)
    _end_the_dead([deployment.name for deployment in made])
    serve_deployments(*made, pause_on_shutdown=False, print_starting_message=False)


def _end_the_dead(names: list[str]) -> None:
    """Have runs that a killed process has left behind on record as crashed: each would hold its slot for minutes."""
    at_work = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING]))
    )
    with get_client(sync_client=True) as client:
        ours = DeploymentFilter(name=DeploymentFilterName(any_=names))
        for run in client.read_flow_runs(flow_run_filter=at_work, deployment_filter=ours):
            client.set_flow_run_state(run.id, Crashed(message="the process that ran it is gone"), force=True)


def _deployment(flow: Flow[..., Any], what: str, where: Where, schedule: Schedule | None) -> RunnerDeployment:
    return RunnerDeployment.from_flow(
        flow,
        name=f"{what}-{where.model}",
        schedule=schedule,
        parameters={"where": where.model_dump()},
        # One at a time; a look that finds another one going on is not needed.
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        # By module, so that the flow is found whatever folder the process starts in.
        entrypoint_type=EntrypointType.MODULE_PATH,
        tags=["leeway"],
    )
