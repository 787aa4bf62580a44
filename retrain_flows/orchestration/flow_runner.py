"""Prefect runner with fixed code, which outlives its server.

Prefect's own runner imports the entrypoint that the API names, after the steps that it lists: whoever could change a
deployment could so run any code as this user. And it ends, with tracebacks, when its server is away for half a minute.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import anyio
import prefect.runner.runner
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.runner._observers import FlowRunCancellingObserver
from prefect.states import Completed
from typing_extensions import Self

from features import errors
from retrain_flows.orchestration import flow_cleanup, flow_run_process, prefect_outage, server_settings

POLL_SECONDS = 5.0
"""How often runs that are due are looked for: half of it is the mean delay of a run that somebody starts."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a runner is given by the process that it runs in.

    Parameters
    ----------
    nothing_to_do
        Whether a run of a deployment with these parameters would do nothing; it then ends without a process.
    revive
        Starts the server anew if it is this process's own and has ended.
    say
        Called with a line for the user.
    """

    nothing_to_do: Callable[[RunnerDeployment, dict[str, Any]], bool]
    revive: Callable[[], object]
    say: Callable[[str], None]


class FlowRunner(Runner):
    """A Prefect runner that takes from the API when to run, but not what: each deployment's flow is fixed in code.

    While the server is away its runs go on, and it waits; then it registers its deployments again and goes on.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(pause_on_shutdown=False, query_seconds=POLL_SECONDS)
        self._around = surroundings
        self._fixed: dict[UUID, RunnerDeployment] = {}
        self._serving: asyncio.Task[Any] | None = None

    def register(self, deployment: RunnerDeployment) -> None:
        """Register a deployment with the API, and serve it."""
        number: Any = self.add_deployment(deployment)  # typed as a coroutine, which it is only inside of one
        self._fixed[number] = deployment
        flow_cleanup.remove_schedules(number, deployment)

    def number_of(self, name: str) -> UUID:
        """Return the number of the deployment of this name."""
        return next(number for number, deployment in self._fixed.items() if deployment.name == name)

    async def serve_with(self, beside: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run what is due, with the coroutine *beside*, until this task is cancelled or SIGTERM arrives."""
        self._serving = asyncio.current_task()
        tasks = [asyncio.create_task(beside()), asyncio.create_task(self.start())]
        try:
            for ended in (await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED))[0]:
                ended.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        """End this process and its runs, which the next serving process repeats."""
        if self._serving is not None:
            self._serving.get_loop().call_soon_threadsafe(self._serving.cancel)

    async def _get_and_submit_flow_runs(self) -> Any:
        """Submit runs that are due; where the server is away, wait until it answers."""
        try:
            return await super()._get_and_submit_flow_runs()  # type: ignore[no-untyped-call]
        except Exception as error:
            if not prefect_outage.is_servers(error):
                raise
            await self._wait_for_server(error)

    async def _wait_for_server(self, error: Exception) -> None:
        """Wait for a server that is away, reviving it if it is ours; then register what is served, and go on."""
        url = os.environ[server_settings.URL]
        self._around.say(
            f"Prefect's server at {url} is away ({prefect_outage.cause(error)}). "
            "Alerts are still sent, and runs go on; decisions wait for it."
        )
        for pause in prefect_outage.pauses():
            await asyncio.to_thread(self._around.revive)
            await anyio.sleep(pause)
            auth = os.environ.get(server_settings.AUTH, "")
            if await asyncio.to_thread(prefect_outage.answers, url, auth) and await self.register_again():
                break
        self._around.say("Prefect's server answers again; decisions and schedules go on.")

    async def register_again(self) -> bool:
        """Register all deployments again, as the server may have lost them; return whether that succeeded."""
        try:
            fixed = {await self.add_deployment(d): d for d in self._fixed.values()}
            for number, deployment in fixed.items():
                await asyncio.to_thread(flow_cleanup.remove_schedules, number, deployment)
            in_flight = {*self._flow_run_process_map, *self._submitting_flow_run_ids}
            await asyncio.to_thread(flow_cleanup.crash_orphaned_runs, [d.name for d in fixed.values()], in_flight)
        except Exception as error:
            if not prefect_outage.is_servers(error):
                raise
            return False
        self._fixed = fixed
        self._deployment_ids = set(fixed)
        return True

    async def _run_process(self, flow_run: FlowRun, task_status: Any = None, *_: Any, **__: Any) -> int | None:
        """Run the flow that is fixed for the run's deployment; complete a run with nothing to do without a process."""
        deployment = next((d for number, d in self._fixed.items() if number == flow_run.deployment_id), None)
        if deployment is None:
            msg = f"this process does not serve deployment {flow_run.deployment_id}"
            raise errors.NotFound(msg)
        if await self._nothing_to_do(deployment, flow_run):
            await self._client.set_flow_run_state(
                flow_run.id, Completed(name="Nothing to do", message="nothing to do"), force=True
            )
            task_status.started(None)
            return 0
        command, log = " ".join(map(shlex.quote, flow_run_process.command())), flow_run_process.log()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            return await super()._run_process(
                flow_run,
                task_status,
                deployment.entrypoint,
                command,
                stream_output=(file, file),  # type: ignore[arg-type]
            )

    async def _nothing_to_do(self, deployment: RunnerDeployment, flow_run: FlowRun) -> bool:
        """Return whether a run would find nothing to do: a process takes seconds to start."""
        try:
            return await asyncio.to_thread(self._around.nothing_to_do, deployment, flow_run.parameters)
        except errors.LeewayError:
            return False  # the run itself will fail with it, and show it

    async def _submit_run(self, flow_run: FlowRun, entrypoint: str | None = None) -> None:
        """Submit a run; an error of its own must not end the others'."""
        await self._alone(flow_run, super()._submit_run(flow_run, entrypoint))
        self._submitting_flow_run_ids.discard(flow_run.id)

    async def _submit_run_and_capture_errors(self, flow_run: FlowRun, *args: Any, **options: Any) -> Any:
        """Watch the process of a run, as above."""
        return await self._alone(flow_run, super()._submit_run_and_capture_errors(flow_run, *args, **options))

    async def _cancel_run(self, flow_run: FlowRun | UUID, state_msg: str | None = None) -> None:
        """Cancel a run, as above."""
        await self._alone(flow_run, super()._cancel_run(flow_run, state_msg))

    async def _alone(self, flow_run: FlowRun | UUID, work: Awaitable[Any]) -> Any:
        """Await work on one run; if the server is away, leave it to `flow_cleanup.crash_orphaned_runs`."""
        try:
            return await work
        except Exception as error:
            if not prefect_outage.is_servers(error):
                raise
            self._logger.debug("run %s: %s", getattr(flow_run, "id", flow_run), prefect_outage.cause(error))

    async def _run_on_crashed_hooks(self, flow_run: FlowRun, state: State[Any]) -> None:
        """Do nothing: the flows have no hooks, and looking for any would import what the API names."""

    async def _run_on_cancellation_hooks(self, flow_run: FlowRun, state: State[Any]) -> None:
        """Do nothing, as above."""


class CancellingObserver(FlowRunCancellingObserver):
    """Notices runs that are being cancelled by asking for them; Prefect's gives up when its server is away."""

    async def __aenter__(self) -> Self:
        """Start to ask, without the socket that would end with the server."""
        self._client = await self._exit_stack.enter_async_context(get_client())
        self._consumer_task = asyncio.create_task(self._consume_events())
        return self

    async def _consume_events(self) -> None:
        """Ask at each interval."""
        while not self._is_shutting_down:
            await anyio.sleep(self.polling_interval)
            try:
                if self._in_flight_flow_run_ids - self._cancelling_flow_run_ids:
                    await self._check_for_cancelled_flow_runs()  # type: ignore[no-untyped-call]
            except Exception as error:
                if not prefect_outage.is_servers(error):
                    self.logger.warning("cannot look for cancelled runs: %s", prefect_outage.cause(error))


# The runner creates it by this name.
setattr(prefect.runner.runner, "FlowRunCancellingObserver", CancellingObserver)  # noqa: B010 - mypy
logging.raiseExceptions = False  # a log record that Prefect's server did not take is in prefect.log
