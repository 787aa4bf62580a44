"""Prefect deployments, served by this process: reconciler each minute, audit by cron, retrain on request."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy, FlowRun, State, StateType
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import PrefectException, TerminationSignal
from prefect.flows import Flow
from prefect.runner import Runner
from prefect.schedules import Cron, Interval, Schedule
from prefect.states import Completed, Crashed
from prefect.types.entrypoint import EntrypointType
from prefect.utilities.annotations import freeze

from features import errors
from retrain_flows.orchestration import child_processes, server_settings
from retrain_flows.orchestration.flows import REACT, Flows

RECONCILE_INTERVAL = timedelta(minutes=1)
"""How often the reconciler runs: how long an incident waits for its decision while no retrain is running."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a process serves. The processes of its runs find their project by the environment that they inherit.

    Parameters
    ----------
    flows
        The flows.
    module
        The module that has them, as ``react_flow``, ``audit_flow`` and ``retrain_flow``.
    models
        The models that they are deployed for.
    is_idle
        Whether a model's reconciler has nothing to do; its run then ends here, without a process of its own.
    """

    flows: Flows
    module: str
    models: Sequence[str]
    is_idle: Callable[[str], bool]


def deployments(served: Served, *, audit_cron: str, interval: timedelta = RECONCILE_INTERVAL) -> list[RunnerDeployment]:
    """Return three deployments for each model: ``react-``, ``audit-`` and ``retrain-<model>`` (without a schedule)."""
    flows, at = served.flows, served.module
    return [
        deployment
        for model in served.models
        for deployment in (
            _deployment(flows.react, f"{at}.react_flow", model, Interval(interval, slug="react")),
            _deployment(flows.audit, f"{at}.audit_flow", model, Cron(audit_cron, timezone="UTC", slug="audit")),
            _deployment(flows.retrain, f"{at}.retrain_flow", model, None),
        )
    ]


def serve(served: Served, *, audit_cron: str, interval: timedelta = RECONCILE_INTERVAL) -> None:
    """Register the deployments with the server of ``PREFECT_API_URL``, and run them when due, until interrupted.

    The schedules stay active when this process ends, and the next one continues them. Only one process may serve: runs
    that the server believes to be running at the start are recorded as crashed, which frees their deployment's slot.

    Parameters
    ----------
    served
        Flows and models.
    audit_cron
        When audits run, as a cron expression in UTC.
    interval
        How often the reconciler runs.

    Raises
    ------
    EngineAway
        The server does not answer, or not as a Prefect server.
    """
    os.environ[child_processes.PARENT_PID_VARIABLE] = str(os.getpid())
    made = deployments(served, audit_cron=audit_cron, interval=interval)
    with prefect_errors():
        _crash_orphaned_runs([deployment.name for deployment in made])
        runner = FixedRunner(served.is_idle)
        for deployment in made:
            runner.register(deployment)
        try:
            asyncio.run(runner.start())
        except (KeyboardInterrupt, TerminationSignal):
            return


@contextmanager
def prefect_errors() -> Iterator[None]:
    """Raise errors of Prefect's client that its server causes as EngineAway."""
    try:
        yield
    except (httpx.HTTPError, PrefectException, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "reach API" not in str(error):
            raise  # this is the only RuntimeError of Prefect's client about its server
        cause = (str(error) or type(error).__name__).splitlines()[0]
        msg = f"Prefect at {os.environ.get(server_settings.URL)} fails: {cause}"
        raise errors.EngineAway(
            msg, hint=f"see its log; is {server_settings.URL} right, and its server running?"
        ) from error


class FixedRunner(Runner):
    """A Prefect runner that takes from the API when to run, but not what: each deployment's flow is fixed in code.

    Prefect's own runner imports the entrypoint that the API names, after the steps that it lists. Whoever could change
    a deployment could so run any code as this user.
    """

    def __init__(self, is_idle: Callable[[str], bool]) -> None:
        super().__init__(pause_on_shutdown=False)
        self._is_idle = is_idle
        self._fixed: dict[UUID, RunnerDeployment] = {}

    def register(self, deployment: RunnerDeployment) -> None:
        """Register a deployment with the API, and serve it."""
        number: Any = self.add_deployment(deployment)  # typed as a coroutine, which it is only inside of one
        self._fixed[number] = deployment

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        """End this process and its runs, which the next serving process repeats."""
        raise TerminationSignal(signal.SIGTERM)

    async def _run_process(self, flow_run: FlowRun, task_status: Any = None, *_: Any, **__: Any) -> int | None:
        """Run the flow that is fixed for the run's deployment; complete a run with nothing to do without a process."""
        deployment = next((d for number, d in self._fixed.items() if number == flow_run.deployment_id), None)
        if deployment is None:
            msg = f"this process does not serve deployment {flow_run.deployment_id}"
            raise errors.NotFound(msg)
        if await self._nothing_to_do(deployment, flow_run):
            await self._client.set_flow_run_state(flow_run.id, Completed(message="nothing to do"), force=True)
            task_status.started(None)
            return 0
        return await super()._run_process(flow_run, task_status, entrypoint=deployment.entrypoint)

    async def _nothing_to_do(self, deployment: RunnerDeployment, flow_run: FlowRun) -> bool:
        """Return whether a run is the reconciler's, as of now, with nothing to do: a process takes seconds to start."""
        if deployment.flow_name != REACT or set(flow_run.parameters) != {"model"}:
            return False
        try:
            return await asyncio.to_thread(self._is_idle, flow_run.parameters["model"])
        except errors.LeewayError:
            return False  # the run itself will fail with it, and show it

    async def _run_on_crashed_hooks(self, flow_run: FlowRun, state: State[Any]) -> None:
        """Do nothing: the flows have no hooks, and looking for any would import what the API names."""

    async def _run_on_cancellation_hooks(self, flow_run: FlowRun, state: State[Any]) -> None:
        """Do nothing, as above."""


def _crash_orphaned_runs(names: list[str]) -> None:
    """Record runs of a killed serving process as crashed: each would occupy its deployment's slot for minutes."""
    at_work = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING]))
    )
    with get_client(sync_client=True) as client:
        ours = DeploymentFilter(name=DeploymentFilterName(any_=names))
        for run in client.read_flow_runs(flow_run_filter=at_work, deployment_filter=ours):
            client.set_flow_run_state(run.id, Crashed(message="the process that ran it has ended"), force=True)


def _deployment(flow: Flow[..., Any], entrypoint: str, model: str, schedule: Schedule | None) -> RunnerDeployment:
    """Return a flow's deployment for one model, which runs one at a time."""
    made = RunnerDeployment.from_flow(
        flow,
        name=f"{flow.name.removeprefix('leeway-')}-{model}",
        schedule=schedule,
        parameters={"model": freeze(model)},  # the API accepts no other model
        # One at a time; a run that is due while another one runs is not needed.
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        entrypoint_type=EntrypointType.MODULE_PATH,
        tags=["leeway"],
    )
    # By module, so that the flow is found whatever folder the process starts in.
    made.entrypoint = entrypoint
    return made
