"""A retrain, from decision to promotion or rejection, as a sequence of plain steps.

The steps: begin the run, gather data, train and gate a candidate for each mode, then promote the best that passed or
reject all. :mod:`retrain_flows.orchestration.flows` runs the same steps as Prefect tasks.

Each outcome is on record: a challenger that fails the gate ends the run as rejected, a step that raises ends it as
failed. A run that was killed is repeated from its beginning, as of the same moment (`as_of`), and promotes once.

What a run records is recorded at the time of its request plus the time that its steps have taken since, so its cost in
seconds is on record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from features import errors
from features.files import lock_file
from registry import operations, queries
from registry.records import Decision, RetrainRun, RunState
from retrain_flows import follow_up, promote
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import challengers, retrain_data

Call = Callable[..., Any]
"""Calls a step with its arguments: directly, or as a task of an orchestrator."""


@dataclass(frozen=True, slots=True)
class RetrainRequest:
    """A decision to carry out.

    Parameters
    ----------
    decision
        The decision to retrain.
    as_of
        The moment, in event time, as of which data are read.
    now
        The time that is recorded for its begin.
    flow_run
        The id of the orchestrator's run; None without one.
    """

    decision: Decision
    as_of: datetime
    now: datetime
    flow_run: str | None = None


def call_directly(step: Call, *args: Any, **options: Any) -> Any:
    """Call a step as a function, without an orchestrator."""
    return step(*args, **options)


def run(
    ws: Workspace,
    request: RetrainRequest,
    *,
    call: Callable[..., Any] = call_directly,
    timer: Callable[[], float] = time.monotonic,
) -> RetrainRun:
    """Carry out a decision to retrain, and return the finished run.

    A decision that has been carried out is not carried out again. If its run was cut short, it is repeated as of the
    moment that it began with.

    Parameters
    ----------
    ws
        The model's workspace.
    request
        The decision, and as of when to carry it out.
    call
        How steps are called.
    timer
        Seconds of a clock that never goes back: what the run has taken.

    Raises
    ------
    IllegalMove
        Another process is retraining the model, or another run of it is not finished.
    LeewayError
        A step failed. The run is then recorded as failed, with the reason; so it is with any other exception.
    """
    with _alone(ws):
        begun = _begin(ws, request)
        if begun.state is not RunState.RUNNING:
            return begun
        now = _clock(request.now, timer)
        with _on_record(ws, begun, now):
            follow_up.supersede(ws, now=request.now)
            data = call(retrain_data.gather, ws, begun)
            gated = []
            for mode in ws.trainers.trainers:
                candidate = call(challengers.train, ws, mode, data)
                gated.append(call(challengers.gate_candidate, ws, candidate, data))
            for version in data.earlier:
                gated.append(call(challengers.gate_candidate, ws, challengers.earlier(ws, version, data), data))
            done: RetrainRun = call(promote.promote_or_reject, ws, begun, data, gated, now)
        return done


def _begin(ws: Workspace, request: RetrainRequest) -> RetrainRun:
    """Return the run of the decision; a new one if it has none."""
    return queries.run_of(ws.registry, request.decision.id) or operations.start_run(
        ws.registry, decision_id=request.decision.id, as_of=request.as_of, flow_run=request.flow_run, now=request.now
    )


def _clock(begun: datetime, timer: Callable[[], float]) -> Callable[[], datetime]:
    """Return a clock that shows *begun* now, and goes on as *timer* does."""
    started = timer()
    return lambda: begun + timedelta(seconds=timer() - started)


@contextmanager
def _on_record(ws: Workspace, begun: RetrainRun, now: Callable[[], datetime]) -> Iterator[None]:
    """Record an exception as the run's failure, and raise it again."""
    try:
        yield
    except Exception as error:
        reason = errors.reason(error)
        operations.finish_run(ws.registry, begun.id, state=RunState.FAILED, reason=reason, now=now())
        raise


def _alone(ws: Workspace) -> AbstractContextManager[None]:
    """Hold the model's retraining for this process.

    It only avoids double work on one machine: the registry makes sure that a decision is carried out once.
    """
    busy = errors.IllegalMove(f"{ws.model} is being retrained by another process", hint="wait for it to end")
    return lock_file.exclusive(ws.state / "locks" / f"{ws.model}.lock", busy)
