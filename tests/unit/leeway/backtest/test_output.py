"""The output of a backtest: what is said beside the tables."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from features.schema import Task
from leeway.backtest import output
from leeway.backtest.metrics import Measured
from leeway.backtest.run_backtest import EVERY, NO_MODEL, STATIC, Backtest, LoopRun, Schedule


def schedule(name: str, loss: float) -> Schedule:
    """Return a schedule with a loss."""
    return Schedule(name, Measured(0.5, loss, 10), 1, 0, 0.1, np.zeros(10))


@pytest.mark.parametrize(("constant", "said"), [(0.0828, True), (0.15, False)])
def test_a_constant_that_beats_every_schedule_is_told(
    constant: float, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A share of what refits gain says nothing where no model is better than all of them."""
    run = LoopRun("project", schedule("leeway (project)", 0.1445), (), (), (), (), ())
    references = schedule(NO_MODEL, constant), schedule(STATIC, 0.3), schedule(EVERY, 0.1412)
    done = Backtest(cast(Any, None), cast(Any, SimpleNamespace(task=Task.BINARY)), 1.0, (run,), references)
    output.print_tables(done)

    assert said == output.no_model_is_best(done)
    assert said == (
        "`no model` (the mean label so far) has a lower loss than every schedule" in capsys.readouterr().out
    )
