"""Clean-up of what earlier processes and releases left in Prefect: runs without a process, schedules without a use."""

from __future__ import annotations

from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.deployments.runner import RunnerDeployment
from prefect.states import Crashed

ENDED = "the process that ran it has ended; what it did is in Leeway's registry"


def remove_schedules(number: UUID, deployment: RunnerDeployment) -> None:
    """Remove the schedules of a deployment that has none: an earlier release gave it one, and an update leaves it."""
    if deployment.schedules:
        return
    with get_client(sync_client=True) as client:
        for schedule in client.read_deployment_schedules(number):
            client.delete_deployment_schedule(number, schedule.id)


def crash_orphaned_runs(names: list[str], in_flight: set[UUID] = frozenset()) -> None:  # type: ignore[assignment]
    """Record runs of deployments whose process has ended without the server's knowledge as crashed.

    Parameters
    ----------
    names
        The deployments.
    in_flight
        Runs whose process is alive.
    """
    at_work = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING]))
    )
    with get_client(sync_client=True) as client:
        ours = DeploymentFilter(name=DeploymentFilterName(any_=names))
        for run in client.read_flow_runs(flow_run_filter=at_work, deployment_filter=ours):
            if run.id not in in_flight:
                client.set_flow_run_state(run.id, Crashed(message=ENDED), force=True)
