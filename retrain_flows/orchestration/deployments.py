"""Serves the flows from this process: the reconciler every minute, the audit by its cron, a retrain on request."""

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
from retrain_flows.orchestration import child_processes, server
from retrain_flows.orchestration.flows import REACT, Flows

RECONCILE_INTERVAL = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Served:
    """What is served: the *flows*, which the module *module* has as `react_flow` and so on, for each of *models*.

    A run's process finds its project by what this process leaves in the environment. *settled* says of a model that
    nothing waits for its reconciler; such a run ends here, without a process of its own.
    """

    flows: Flows
    module: str
    models: Sequence[str]
    is_idle: Callable[[str], bool]


def deployments(served: Served, *, audit_cron: str, interval: timedelta = RECONCILE_INTERVAL) -> list[RunnerDeployment]:
    """Return three deployments a model: ``react-<model>``, ``audit-<model>`` and ``retrain-<model>`` (no schedule)."""
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

    The schedules stay active when this process ends: whoever starts it again goes on with them. One process serves: a
    run that is said to be at work when it starts died with the one before, and lets go of its deployment's slot.

    Raises:
        EngineAway: the server does not answer, or not as Prefect's does.
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
    """Tell what Prefect's client raises because of its server as an error of ours."""
    try:
        yield
    except (httpx.HTTPError, PrefectException, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "reach API" not in str(error):
            raise  # of Prefect's own there is this one
        msg = f"Prefect at {os.environ.get(server.URL)} fails: {str(error) or type(error).__name__}".splitlines()[0]
        raise errors.EngineAway(msg, hint=f"see its log; is {server.URL} right, and its server running?") from error


class FixedRunner(Runner):
    """A runner that asks the API when to run, and never what: each deployment's flow is set here, in code.

    Prefect's own runner imports what the API names as a deployment's entrypoint, and runs the steps that it lists
    before. Whoever could change a deployment could so run anything as this user.
    """

    def __init__(self, settled: Callable[[str], bool]) -> None:
        super().__init__(pause_on_shutdown=False)
        self._settled = settled
        self._fixed: dict[UUID, RunnerDeployment] = {}

    def register(self, deployment: RunnerDeployment) -> None:
        """Make *deployment* known to the API, and serve it."""
        number: Any = self.add_deployment(deployment)  # a coroutine for those who are in one, which we are not
        self._fixed[number] = deployment

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        """End this process, and its runs with it, which are taken up again by whoever serves next."""
        raise TerminationSignal(signal.SIGTERM)

    async def _run_process(self, flow_run: FlowRun, task_status: Any = None, *_: Any, **__: Any) -> int | None:
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
        """Say whether a run is a reconciler's look of now, and would find nothing: a process takes seconds to start."""
        if deployment.flow_name != REACT or set(flow_run.parameters) != {"model"}:
            return False
        try:
            return await asyncio.to_thread(self._settled, flow_run.parameters["model"])
        except errors.LeewayError:
            return False  # the run itself is to fail of it, where it is seen

    async def _run_on_crashed_hooks(self, flow_run: FlowRun, state: State[Any]) -> None:
        """Do nothing: our flows have no hooks, and to look for some would import what the API names."""

    async def _run_on_cancellation_hooks(self, flow_run: FlowRun, state: State[Any]) -> None:
        """Do nothing, as above."""


def _crash_orphaned_runs(names: list[str]) -> None:
    """Have runs that a killed process has left behind on record as crashed: each would hold its slot for minutes."""
    at_work = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING]))
    )
    with get_client(sync_client=True) as client:
        ours = DeploymentFilter(name=DeploymentFilterName(any_=names))
        for run in client.read_flow_runs(flow_run_filter=at_work, deployment_filter=ours):
            client.set_flow_run_state(run.id, Crashed(message="the process that ran it is gone"), force=True)


def _deployment(flow: Flow[..., Any], entrypoint: str, model: str, schedule: Schedule | None) -> RunnerDeployment:
    made = RunnerDeployment.from_flow(
        flow,
        name=f"{flow.name.removeprefix('leeway-')}-{model}",
        schedule=schedule,
        parameters={"model": freeze(model)},  # the API takes no other
        # One at a time; a look that finds another one going on is not needed.
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        entrypoint_type=EntrypointType.MODULE_PATH,
        tags=["leeway"],
    )
    # By module, so that the flow is found whatever folder the process starts in.
    made.entrypoint = entrypoint
    return made
