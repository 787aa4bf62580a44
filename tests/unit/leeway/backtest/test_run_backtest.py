"""What the schedules of a backtest are measured on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from features.schema import Task
from leeway.backtest import run_backtest


@pytest.mark.parametrize(
    ("task", "values", "expected"),
    [(Task.BINARY, [0.1, 0.5, 0.9], [0.1, 0.5]), (Task.MULTICLASS, ["x", "y", "z"], ["x", "y"])],
)
def test_of_an_id_that_was_asked_for_again_the_first_answer_counts(
    task: Task, values: list[Any], expected: list[Any]
) -> None:
    """The labelled row is the first prediction of its id: the later one may be of other features and another model."""
    served = pa.table({"id": ["a", "b", "a"], "time": [1, 2, 3], "prediction": values})
    rows = SimpleNamespace(task=task, ids=np.array(["a", "b", "c"], dtype=object))
    answers = run_backtest.aligned(served, cast(Any, rows))
    assert expected == answers[:2].tolist()
    assert answers[2] is None or np.isnan(answers[2])
