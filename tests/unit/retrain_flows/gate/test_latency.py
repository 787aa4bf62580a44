"""The check of latency: refuses what is slow for sure, and no equal model on a loaded machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.schema import Task
from registry.records import CheckResult
from retrain_flows.config import Gate
from retrain_flows.gate import latency
from retrain_flows.gate.latency import ROUNDS, ROWS, Timed

FRAME = pd.DataFrame({"x": np.zeros(ROWS)})


class Machine:
    """A clock, and models that take seconds of it: what each costs, times the load of the moment."""

    def __init__(self, load: Any = lambda: 1.0) -> None:
        self.now, self.load, self.calls = 0.0, load, 0

    def model(self, seconds: float) -> Any:
        """Return a model that takes so many seconds to answer."""
        machine = self

        class Model:
            """Answers 0."""

            def predict(self, frame: pd.DataFrame) -> Any:
                """Take time."""
                machine.calls += 1
                machine.now += seconds * machine.load()
                return np.zeros(len(frame))

        return Model()

    def measure(self, challenger: float, champion: float | None) -> Timed:
        """Return the measured times of models that take so many seconds."""
        models = (self.model(challenger), None if champion is None else self.model(champion))
        return latency.measure(models, FRAME, Task.REGRESSION, lambda: self.now)


@pytest.mark.parametrize(
    ("challenger", "champion", "result"),
    [(0.5, 0.04, CheckResult.FAIL), (0.5, 0.06, CheckResult.PASS), (0.19, 0.001, CheckResult.PASS),
     (0.21, 0.001, CheckResult.FAIL), (0.5, None, CheckResult.PASS), (0.5, 0.0, CheckResult.PASS)],
)  # fmt: skip
def test_it_fails_beyond_the_ratio_and_from_a_millisecond_a_row_on(
    challenger: float, champion: float | None, result: CheckResult
) -> None:
    """200 rows in .2 s are a millisecond a row; without the champion's model the time is only recorded."""
    made = latency.check(Machine().measure(challenger, champion), Gate())
    assert result is made.result
    assert 1000 * challenger / ROWS == pytest.approx(made.numbers["ms"])
    assert (champion is not None) == ("champion_ms" in made.numbers)


def test_an_equal_model_is_refused_in_fewer_than_one_of_a_hundred_on_a_loaded_machine() -> None:
    """Each time is twice as long as without load or longer, and in one call of ten the load is a hundredfold."""
    rng, runs = np.random.default_rng(6), 2000
    machine = Machine(lambda: float(1 + np.exp(rng.normal()) * (100 if rng.random() < 0.1 else 1)))
    made = [latency.check(machine.measure(0.3, 0.3), Gate()) for _ in range(runs)]
    assert sum(check.result is CheckResult.FAIL for check in made) / runs < 0.01
    single = [machine.load() / machine.load() for _ in range(runs)]
    assert sum(ratio > Gate().latency for ratio in single) / runs > 0.05  # times of one call each would not do


def test_slow_models_have_fewer_turns() -> None:
    """Three where they take more than two seconds; else each model has five, in changing order."""
    slow, fast = Machine(), Machine()
    slow.measure(1.5, 1.5)
    fast.measure(0.001, 0.001)
    assert tuple(2 * turns for turns in ROUNDS) == (slow.calls, fast.calls)
