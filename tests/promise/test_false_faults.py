"""Data that only look broken open no fault, and data that break do; `benchmarks.calibration` has more of each."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import false_faults


@pytest.mark.parametrize(
    "name",
    [
        "stations that fail together",
        "missing in sessions",
        "2 % of 50 words replaced a slice",
        "a catalogue that grows from 20 by 5 a slice",
        "traffic that grows by 2 % a slice",
    ],
)
def test_nothing_is_called_a_fault_where_nothing_is_broken(name: str) -> None:
    """In windows all through 90 slices, of a model with four features."""
    model = false_faults.counted(false_faults.KINDS[name], np.random.default_rng(4))

    assert set[str]() == set[str]().union(*(model.faults(end) for end in range(70, 151, 20)))


@pytest.mark.parametrize("broken", false_faults.BREAKS)
def test_what_breaks_is_found_where_much_was_missing_at_times(broken: str) -> None:
    """A column that goes missing, or comes in thousandths, within a slice."""
    kind = false_faults.KINDS["stations that fail together"]
    model = false_faults.counted(kind, np.random.default_rng(5), false_faults.BREAKS[broken])

    assert "a" in model.faults(false_faults.REFERENCE + 1)


def test_twice_the_rows_and_more_are_told_from_growth() -> None:
    """Traffic that grew by 2 % a slice may be three times as large after 90, and not five times more overnight."""
    model = false_faults.counted(false_faults.KINDS["traffic that grows by 2 % a slice"], np.random.default_rng(6))
    fivefold = {name: 5 * counts for name, counts in model.counts.items()}
    flood = false_faults.Counted(model.baseline, fivefold)

    assert set[str]() == model.faults(150)
    assert {"*"} == flood.faults(70)
