"""A learner in a process with a fixed hash seed: equal samples give equal models, whatever process asks for them.

The order of a set of texts depends on the hash seed, which Python draws for each process and cannot change in one.
River keeps names of features in such sets (`compose.Select`): in another order they are summed differently in the last
digits, and written differently into the model file. So the learner's steps run in a child with seed 0, unless this
process has that seed itself.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection, util
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any

from features import errors
from monitors.worker.folds import Step
from retrain_flows.training import trainer_child, trainer_process
from retrain_flows.training.stream_learner import StreamLearner

_NAME = "the learner"


@dataclass(frozen=True, slots=True)
class FixedSeedLearner:
    """A learner that travels to a worker, whose steps have hash seed 0."""

    learner: StreamLearner

    def open(self) -> Step:
        """Return the step: see `StreamLearner.open`."""
        return _Child(self.learner) if sys.flags.hash_randomization else self.learner.open()


class _Child:
    """The step of a learner in a child process, which ends with this object, and with this process."""

    def __init__(self, learner: StreamLearner) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        process = spawn.Process(target=trainer_child.serve, args=(theirs,), name=_NAME)
        trainer_process.start(process)
        theirs.close()
        # Before this interpreter waits for its children at its end, which it would do forever.
        self._end = util.Finalize(self, _end, (process, self._pipe), exitpriority=10)
        self._call(_open, learner)

    def __call__(self, state: bytes | None, reference: str) -> bytes:
        """Return the next state."""
        following: bytes = self._call(_step, state, reference)
        return following

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return what a function returns in the child; with its error the child ends."""
        try:
            self._pipe.send_bytes(bytes(ForkingPickler.dumps((function, args))))
            kind, value = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._end()
            msg = f"the process of {_NAME} ended before it had a result"
            hint = "the trainer must return instead of ending its process; what it printed is above"
            raise errors.TrainerError(msg, hint=hint) from error
        if kind == "result":
            return value
        self._end()
        raise trainer_process.error_of(_NAME, kind, value)


def _end(process: BaseProcess, pipe: connection.Connection) -> None:
    pipe.close()
    process.kill()
    process.join(trainer_process.GRACE_SECONDS)


_opened: Step | None = None
"""In a child: the step."""


def _open(learner: StreamLearner) -> None:
    global _opened  # one learner in a process
    _opened = learner.open()


def _step(state: bytes | None, reference: str) -> bytes:
    assert _opened is not None
    return _opened(state, reference)
