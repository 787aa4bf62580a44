"""A retrain from decision to promotion as plain steps; `flows.py` runs the same steps as Prefect tasks.

    begin -> gather -> make and judge (each mode) -> settle: promote the best that passed, or reject with reasons

Whatever happens is on record: a challenger that fails the gate is a result, a step that raises ends the run as failed.
A run that was killed is taken up again from its beginning, with what was known then (`as_of`), and promotes once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import filelock

from features import errors
from registry import operations, queries
from registry.records import Decision, RetrainRun, RunState
from retrain_flows import promote
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import challengers, retrain_data

Call = Callable[..., Any]
"""How a step is called: plainly, or as a task of an orchestrator."""
STEPS: tuple[Call, ...] = (
    retrain_data.gather,
    challengers.train,
    challengers.gate_candidate,
    promote.promote_or_reject,
)
"""What :func:`run` calls through its *call*."""


@dataclass(frozen=True, slots=True)
class RetrainRequest:
    """What is to be carried out: *decision*, with what is known at *as_of* (event time).

    *now* stamps what is written; *flow_run* names the orchestrator's run, if there is one.
    """

    decision: Decision
    as_of: datetime
    now: datetime
    flow_run: str | None = None


def call_directly(step: Call, *args: Any, **options: Any) -> Any:
    """Call *step* as any function is called."""
    return step(*args, **options)


def run(ws: Workspace, request: RetrainRequest, *, call: Callable[..., Any] = call_directly) -> RetrainRun:
    """Carry out *order* and return the finished run.

    A decision that has been carried out already is not carried out again. One whose run was cut short keeps the *as_of*
    that its run began with.

    Raises:
        IllegalMove: another process is retraining the model, or another run of it is not finished.
        LeewayError: a step failed; the run is on record as failed, with the reason. So is it for any other exception.
    """
    with _exclusive(ws.state / "locks" / f"{ws.model}.lock"):
        begun = _begin(ws, request)
        if begun.state is not RunState.RUNNING:
            return begun
        with _on_record(ws, begun, request.now):
            data = call(retrain_data.gather, ws, begun)
            gated = []
            for mode in ws.trainers.trainers:
                candidate = call(challengers.train, ws, mode, data)
                gated.append(call(challengers.gate_candidate, ws, candidate, data))
            done: RetrainRun = call(promote.promote_or_reject, ws, begun, data, gated, request.now)
        return done


def _begin(ws: Workspace, request: RetrainRequest) -> RetrainRun:
    for known in queries.runs(ws.registry, ws.model):
        if known.decision_id == request.decision.id:
            return known
    return operations.start_run(
        ws.registry, decision_id=request.decision.id, as_of=request.as_of, flow_run=request.flow_run, now=request.now
    )


@contextmanager
def _on_record(ws: Workspace, begun: RetrainRun, now: datetime) -> Iterator[None]:
    """Record whatever raises as the run's failure, and let it go on."""
    try:
        yield
    except Exception as error:
        message = error.message if isinstance(error, errors.LeewayError) else f"{type(error).__name__}: {error}"
        operations.finish_run(ws.registry, begun.id, state=RunState.FAILED, reason=message, now=now)
        raise


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file *path*; the system lets go of it when the process ends, however it ends.

    It only saves double work on one machine: that a decision is carried out once is the registry's doing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(path, timeout=0):
            yield
    except filelock.Timeout as error:
        msg = f"{path.stem} is being retrained by another process"
        raise errors.IllegalMove(msg, hint="wait for it to end") from error
