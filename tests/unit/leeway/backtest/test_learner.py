"""Learner of a backtest: its branch begins as that of production would."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.schema import Task
from features.window import to_ms
from leeway.backtest.learner import BacktestLearner
from retrain_flows.data.dataset import Dataset
from tests.support import trained_model as world


def test_the_unit_of_a_regressions_losses_is_that_of_the_first_period(tmp_path: Path) -> None:
    """The standard deviation of the labels that the baseline of the first model has."""
    label, texts = np.array([1000.0, 3000.0]), np.array(["a", "b"], dtype=object)
    first = Dataset(Task.REGRESSION, world.START, pd.DataFrame({"x": [0.0, 1.0]}), label, label, texts,
                    np.array([to_ms(world.START)] * 2), texts)  # fmt: skip
    with world.open_registry(tmp_path) as registry:
        ws = world.workspace(tmp_path, registry, world.write_events(tmp_path), mode="online")
        history: Any = SimpleNamespace(
            schema=ws.schema.model_copy(update={"task": Task.REGRESSION}), start=world.START,
            cut=world.START + world.DAY, labelled=lambda *_: first,
        )  # fmt: skip
        assert BacktestLearner(history, ws)._branch.plan.sd == pytest.approx(1000.0)
