"""Value hashes: sums that add up in any order, and are those of one value only where there was one."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from features.schema import Task
from monitors.profiles import value_hashes
from monitors.profiles.derived import Derived
from monitors.report import canonical
from tests.support import learned_baselines as learned

VALUES = st.floats(width=64, allow_nan=True, allow_infinity=True)


def sums(values: list[float]) -> np.ndarray:  # type: ignore[type-arg]
    """Return the sums of some values, (2,)."""
    return value_hashes.columns([np.array(values, np.float64)]).sum(axis=1)


@given(value=st.floats(allow_nan=False, allow_infinity=False), times=st.integers(1, 50), nothing=st.integers(0, 5))
def test_one_value_is_one_however_often_and_beside_nothing(value: float, times: int, nothing: int) -> None:
    """What is missing or infinite is no value; 0 and -0 are one."""
    around = [float("nan"), float("inf"), float("-inf")] * nothing
    assert value_hashes.is_one_value(sums([value] * times + around), times)
    assert value_hashes.is_one_value(sums([value, value + 0.0, abs(value) if value == 0 else value]), 3)


@given(st.lists(st.floats(-1e6, 1e6).map(lambda v: round(v, 3)), min_size=2, max_size=40))
def test_different_values_are_not_one(values: list[float]) -> None:
    """But for two of 65,536, which have the same hash."""
    assume(len({int(sums([v])[0]) for v in values}) > 1)
    assert len(set(values)) > 1
    assert not value_hashes.is_one_value(sums(values), len(values))


def test_hashes_of_neighbours_are_spread() -> None:
    """Of readings in steps of a tenth, of whole numbers and of thousands: hardly two in a hundred are the same."""
    for values in (np.arange(1000, 1100, 0.1).round(1), np.arange(1000.0), np.arange(1000) * 1e6):
        assert len(np.unique(value_hashes.columns([values])[0])) > 0.97 * len(values)


@given(st.lists(VALUES, min_size=1, max_size=40), st.integers(0, 40))
def test_sums_of_parts_add_up(values: list[float], at: int) -> None:
    """In any split."""
    parts = [part for part in (values[:at], values[at:]) if part]
    assert sums(values).tolist() == sum(sums(part) for part in parts).tolist()


def test_the_spread_tells_one_value_from_many() -> None:
    """Nearly one is between."""
    many, nearly = list(np.arange(500.0)), [7.5] * 97 + [1.0, 2.0, 3.0]
    assert 0 == value_hashes.spread(sums([7.5] * 40), 40)
    assert 0.85 < value_hashes.spread(sums(many), 500) < 1.15
    assert 0 < value_hashes.spread(sums(nearly), 100) < 0.2


def test_a_baseline_without_hashes_is_stored_as_before_there_were_any() -> None:
    """So that its digest stays the same; one with hashes has the names of its numbers."""
    assert "hashed" not in canonical(Derived())
    schema = learned.schema(Task.REGRESSION, "x", words=("w",))
    rng = np.random.default_rng(1)
    rows = {"x": rng.normal(size=300), "w": np.array(["a", "b", "c"] * 100, object), "prediction": rng.normal(size=300),
            "label": rng.normal(size=300)}  # fmt: skip
    assert ("prediction", "x") == tuple(sorted(learned.baseline(schema, rows).derived.hashed))


def test_no_sums_are_of_no_variable() -> None:
    """As of a window that was counted before there were any."""
    assert {} == value_hashes.of_window(("x",), {"x": [1, 2]})
