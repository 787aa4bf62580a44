"""Reconcile loop: one long-lived process looks after all models, and starts a run only where one could do something.

A look reads a few rows of the registry. A run is a process of its own, which takes seconds to import what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final, Generic, TypeVar

from features import errors

RunId = TypeVar("RunId")
Waiting = Callable[[Sequence[str]], Mapping[str, str | errors.LeewayError]]
"""Sends alerts that are due, and returns for each of some models the digest of what a reconcile would act on
(:func:`retrain_flows.orchestration.reconcile_state.digest`; "" if there is nothing), or why it cannot be read."""

LOOK_AGAIN: Final = timedelta(hours=1)
"""After how long a model is reconciled again though nothing that it acts on has changed: what depends on the clock."""
MAX_BACKOFF: Final = timedelta(hours=1)
"""Longest time between two runs that fail."""


class Progress(str, Enum):
    """How far a run is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class _Watched(Generic[RunId]):
    """What is remembered of a model: its last run, what that run acted on, and when the next one may start."""

    run: RunId | None = None
    acted_on: str = ""
    started: float = 0.0
    failures: int = 0
    complaint: str = ""


class ReconcileLoop(Generic[RunId]):
    """Starts a reconcile of each model that has something to do, one at a time for each model.

    Parameters
    ----------
    models
        The models.
    interval
        How often :meth:`look` is called: the first wait after a run that failed.
    waiting
        Sends alerts, and returns what there is to act on.
    start
        Starts a reconcile of a model, and returns its number.
    progress
        Returns how far a run is.
    say
        Called with a line for the user.
    """

    def __init__(
        self,
        models: Sequence[str],
        interval: timedelta,
        *,
        waiting: Waiting,
        start: Callable[[str], RunId],
        progress: Callable[[RunId], Progress],
        say: Callable[[str], None],
    ) -> None:
        self._interval, self._say = interval, say
        self._waiting, self._start, self._progress = waiting, start, progress
        self._watched: dict[str, _Watched[RunId]] = {model: _Watched() for model in models}

    def look(self, now: float) -> None:
        """Look after each model once; *now* is a monotonic time in seconds.

        An error of Leeway's is printed, once, and the next look tries again; one of a model does not stop the others.

        Raises
        ------
        Exception
            What *start* and *progress* raise where their server is away: the next look tries again.
        """
        models = list(self._watched)
        try:
            waiting = self._waiting(models)
        except errors.LeewayError as error:
            waiting = dict.fromkeys(models, error)
        for model, watched in self._watched.items():
            digest = waiting[model]
            if isinstance(digest, errors.LeewayError):
                self._complain(model, watched, digest)
            else:
                watched.complaint = ""
                self._look_after(model, watched, digest, now)

    def _look_after(self, model: str, watched: _Watched[RunId], digest: str, now: float) -> None:
        """Start a run of a model if it has something to do and none is under way or has just done the same."""
        if watched.run is not None:
            state = self._progress(watched.run)
            if state is Progress.RUNNING:
                return
            watched.failures = watched.failures + 1 if state is Progress.FAILED else 0
            watched.run = None
        if not digest or (digest == watched.acted_on and now - watched.started < self._pause(watched)):
            return
        watched.run = self._start(model)
        watched.acted_on, watched.started = digest, now

    def _pause(self, watched: _Watched[RunId]) -> float:
        """Return the seconds after which the same is tried again: soon after a failure, each time later."""
        if not watched.failures:
            return LOOK_AGAIN.total_seconds()
        doubled = self._interval.total_seconds() * 2.0 ** min(watched.failures, 32)
        return min(doubled, MAX_BACKOFF.total_seconds())

    def _complain(self, model: str, watched: _Watched[RunId], error: errors.LeewayError) -> None:
        """Print an error once, not at each look."""
        if error.message != watched.complaint:
            watched.complaint = error.message
            self._say(f"{model} cannot be looked after now: {error.message}")
