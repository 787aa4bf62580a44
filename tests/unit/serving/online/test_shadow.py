"""Shadow: versions on trial answer beside the champion, delay nothing, and fail alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from features.scoring import Values
from serving.model import Served
from serving.online import shadow
from serving.online.batching import Batcher
from serving.online.lineup import Loaded
from serving.online.shadow import Shadow
from serving.prediction_log.log import Limits, PredictionLog
from serving.predictors.columns import Columns
from serving.predictors.proved import Proved
from serving.requests.rows import RowReader, Rows
from tests.support import serving_world as world


class Slow:
    """A predictor that waits for a signal before its first answer."""

    name = "slow"

    def __init__(self, go: threading.Event) -> None:
        self._go = go

    def predict(self, columns: Columns) -> Values:
        """Return the first feature."""
        assert self._go.wait(30)
        return np.array(columns["x"])


def trial(version: str, predictor: Any) -> Loaded:
    """Return a version on trial that answers by *predictor*."""
    served = Served(world.SCHEMA, version, "d" * 64, None)
    proved = Proved(served, predictor, None, "", frozenset())
    return Loaded(Batcher(proved, ThreadPoolExecutor(1)), RowReader(world.SCHEMA, frozenset(), version))


def rows(first: int) -> Rows:
    """Return one row."""
    return Rows({"x": [first / 1e5], "z": [1.0], "c": ["a"]}, [str(first)], [0], 10)


def opened(folder: Path) -> Shadow:
    """Return a started shadow that logs into *folder*."""
    made = Shadow(PredictionLog(world.SCHEMA, folder / "log", folder / "journals", "t", Limits(flush=0.01)))
    made.start()
    return made


def test_a_slow_trial_delays_nothing_and_its_drops_are_counted(tmp_path: Path) -> None:
    """What there is room for is answered later, the rest is counted; adding does not wait."""
    go, made = threading.Event(), opened(tmp_path)
    slow = trial("v2", Slow(go))
    for i in range(shadow.MAX_WAITING + 500):
        made.add(rows(i), [slow])
    dropped = made.counts.dropped
    go.set()
    assert 0 == made.close()
    logged = world.logged(tmp_path / "log")

    assert dropped in (499, 500)  # one may be in work already
    assert made.counts.answered == len(logged) == shadow.MAX_WAITING + 500 - dropped
    assert {"v2"} == set(logged["model_version"])


class Broken:
    """A predictor that raises, or has not one answer a row."""

    name = "broken"

    def __init__(self, *answers: float) -> None:
        self._answers = answers

    def predict(self, columns: Columns) -> Values:
        """Raise, or return what was set."""
        if not self._answers:
            raise ValueError(columns)
        return np.array(self._answers)


def test_a_trial_that_fails_fails_alone(tmp_path: Path) -> None:
    """One that raises, one without an answer and one with two are counted; the other one's answers are logged."""
    go, made = threading.Event(), opened(tmp_path)
    go.set()
    broken = [Broken(), Broken(float("nan")), Broken(0.5, 0.5)]
    trials = [*(trial(f"v{n}", each) for n, each in enumerate(broken)), trial("v4", Slow(go))]
    for i in range(3):
        made.add(rows(i), trials)
    assert 0 == made.close()

    assert (3, 9, 0) == (made.counts.answered, made.counts.failed, made.counts.dropped)
    assert ["v4"] * 3 == list(world.logged(tmp_path / "log")["model_version"])
