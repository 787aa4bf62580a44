"""Prefect deployments, served by this process: reconcile where there is work, audit by cron, retrain by hand.

The reconciler has no schedule in Prefect, which would make a run each minute that does nothing, or is cancelled since
one is running: this process looks (:mod:`retrain_flows.orchestration.reconcile_loop`), and starts a run when needed.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import anyio
from prefect.client.orchestration import get_client
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound, TerminationSignal
from prefect.flows import Flow
from prefect.schedules import Cron, Schedule
from prefect.types.entrypoint import EntrypointType
from prefect.utilities.annotations import freeze

from retrain_flows.orchestration import child_processes, flow_cleanup, prefect_outage
from retrain_flows.orchestration.flow_runner import FlowRunner, Surroundings
from retrain_flows.orchestration.flows import REACT, Flows
from retrain_flows.orchestration.reconcile_loop import Progress, ReconcileLoop, Waiting

RECONCILE_INTERVAL = timedelta(minutes=1)
"""How often incidents are looked for: how long one waits for its decision while no retrain is running."""
DESCRIPTIONS = {
    REACT: "Decides about incidents and carries decisions out. Starts by itself where there is something to do.",
    "leeway-audit": "Counts a period again and compares, by schedule; checks files and the audit log.",
    "leeway-retrain": "Start a retrain by hand: say why, and who you are. The gate decides whether it is promoted.",
}
"""What Prefect's pages say about a deployment."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a process serves. The processes of its runs find their project by the environment that they inherit.

    Parameters
    ----------
    flows
        The flows.
    module
        The module that has them, as ``react_flow``, ``audit_flow`` and ``by_hand_flow``.
    models
        The models that they are deployed for.
    waiting
        Sends alerts that are due, and returns what the models' reconcilers would act on.
    say
        Called with a line for the user.
    revive
        Starts the Prefect server anew if it is this process's own and has ended.
    """

    flows: Flows
    module: str
    models: Sequence[str]
    waiting: Waiting
    say: Callable[[str], None] = print
    revive: Callable[[], object] = bool


def deployments(served: Served, *, audit_cron: str) -> list[RunnerDeployment]:
    """Return three deployments for each model: ``react-``, ``audit-`` and ``retrain-<model>``; audits by schedule."""
    flows, at = served.flows, served.module
    return [
        deployment
        for model in served.models
        for deployment in (
            _deployment(flows.react, f"{at}.react_flow", model, None),
            _deployment(flows.audit, f"{at}.audit_flow", model, Cron(audit_cron, timezone="UTC", slug="audit")),
            _deployment(flows.by_hand, f"{at}.by_hand_flow", model, None),
        )
    ]


def serve(served: Served, *, audit_cron: str, interval: timedelta = RECONCILE_INTERVAL) -> None:
    """Register the deployments with the server of ``PREFECT_API_URL``; reconcile, and run what is due, until stopped.

    Schedules stay active when this process ends, and the next one continues them. Only one process may serve: runs that
    the server believes to be running at the start are recorded as crashed. When the server goes away later, this
    process waits for it, and goes on.

    Parameters
    ----------
    served
        Flows and models.
    audit_cron
        When audits run, as a cron expression in UTC.
    interval
        How often the reconciler looks.

    Raises
    ------
    EngineAway
        The server does not answer at the start, or not as a Prefect server.
    """
    os.environ[child_processes.PARENT_PID_VARIABLE] = str(os.getpid())
    made = deployments(served, audit_cron=audit_cron)
    with prefect_outage.prefect_errors():
        flow_cleanup.crash_orphaned_runs([deployment.name for deployment in made])
        runner = FlowRunner(Surroundings(partial(_nothing_to_do, served), served.revive, served.say))
        for deployment in made:
            runner.register(deployment)
        loop = ReconcileLoop(
            served.models, interval, waiting=served.waiting, start=partial(_start, runner), progress=_progress,
            say=served.say,
        )  # fmt: skip
        try:
            asyncio.run(runner.serve_with(partial(_look_each, runner, interval, loop)))
        except (KeyboardInterrupt, asyncio.CancelledError, TerminationSignal):
            return


async def _look_each(runner: FlowRunner, interval: timedelta, loop: ReconcileLoop[UUID]) -> None:
    """Let the reconcile loop look at each interval; while Prefect's server is away it only sends alerts.

    Where the server refuses, a deployment may have been deleted: all are registered again.
    """
    while True:
        try:
            await asyncio.to_thread(loop.look, time.monotonic())
        except Exception as error:
            if not prefect_outage.is_servers(error):
                raise
            if not prefect_outage.is_outage(error):
                await runner.register_again()
        await anyio.sleep(interval.total_seconds())


def _start(runner: FlowRunner, model: str) -> UUID:
    """Start a run of a model's reconciler, and return its number."""
    with get_client(sync_client=True) as client:
        number = runner.number_of(f"react-{model}")
        return client.create_flow_run_from_deployment(number, name=f"{model}: reconcile").id


def _progress(run: UUID) -> Progress:
    """Return how far a run is; a run that the server does not know has failed."""
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(run).state
        except ObjectNotFound:
            return Progress.FAILED
    if state is None or not state.is_final():
        return Progress.RUNNING
    return Progress.DONE if state.is_completed() else Progress.FAILED


def _nothing_to_do(served: Served, deployment: RunnerDeployment, parameters: dict[str, Any]) -> bool:
    """Return whether a run is a reconciler's, as of now, with nothing to do."""
    if deployment.flow_name != REACT or set(parameters) != {"model"}:
        return False
    model = parameters["model"]
    return served.waiting([model])[model] == ""


def _deployment(flow: Flow[..., Any], entrypoint: str, model: str, schedule: Schedule | None) -> RunnerDeployment:
    """Return a flow's deployment for one model. The registry, not Prefect, keeps two retrains of a model apart."""
    made = RunnerDeployment.from_flow(
        flow,
        name=f"{flow.name.removeprefix('leeway-')}-{model}",
        schedule=schedule,
        parameters={"model": freeze(model)},  # the API accepts no other model
        description=DESCRIPTIONS[flow.name],
        entrypoint_type=EntrypointType.MODULE_PATH,
        tags=["leeway", f"model:{model}"],
    )
    # By module, so that the flow is found whatever folder the process starts in.
    made.entrypoint = entrypoint
    return made
