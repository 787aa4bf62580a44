"""Logs made by River's generators: complete, the same each time, and changed where they say and nowhere else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks import river_streams as streams

DAY = np.arange(streams.DAYS * streams.ROWS) // streams.ROWS


def _sea_rule(log: pd.DataFrame, threshold: float) -> pd.Series:
    """Return by day how many rows follow the rule of a threshold; one in ten is noise."""
    return ((log["x0"] + log["x1"] > threshold).astype(int) == log["label"]).groupby(DAY).mean()


@pytest.mark.parametrize("name", streams.STREAMS)
def test_a_log_is_complete_and_the_same_each_time(name: str) -> None:
    """A row for each prediction, in order, with a label that is known two days later."""
    log = streams.stream(name)
    assert len(DAY) == len(log)
    assert not log.isna().any().any()
    assert log["time"].is_monotonic_increasing
    assert {streams.DELAY} == set(log["label_time"] - log["time"])
    pd.testing.assert_frame_equal(log.head(500), streams.stream(name).head(500))


def test_targets_are_of_three_kinds() -> None:
    """Two classes, several classes by name, and numbers."""
    kinds = [streams.stream(name)["label"] for name in ("sea-sudden", "led-recurring", "friedman-recurring")]
    assert [2, 10, len(DAY)] == [label.nunique() for label in kinds]
    assert [True, False, True] == [pd.api.types.is_numeric_dtype(label) for label in kinds]


def test_a_sudden_change_is_one_of_the_rule() -> None:
    """Days before follow the first threshold, and days after the second."""
    log = streams.stream("sea-sudden")
    first, second = _sea_rule(log, 7), _sea_rule(log, 9.5)
    assert (first[: streams.CHANGE - 1] > second[: streams.CHANGE - 1]).all()
    assert (first[streams.CHANGE + 1 :] < second[streams.CHANGE + 1 :]).all()


def test_virtual_drift_is_one_of_the_inputs_alone() -> None:
    """The readings move, and the rule does not."""
    log = streams.stream("sea-virtual")
    before, after = log[DAY < streams.CHANGE], log[DAY >= streams.CHANGE]
    assert after["x0"].mean() > before["x0"].mean() + 1
    assert (_sea_rule(log, 7) > 0.8).all()


@pytest.mark.parametrize(("name", "column"), [("agrawal-fault", "salary"), ("friedman-fault", "x3")])
def test_a_fault_is_one_of_a_column_for_some_days(name: str, column: str) -> None:
    """Its values are far off then, and at no other time."""
    level = streams.stream(name)[column].groupby(DAY).mean()
    is_faulty = (level.index >= streams.FAULT[0]) & (level.index < streams.FAULT[1])
    assert level[is_faulty].max() < 0.1 * level[~is_faulty].min()
