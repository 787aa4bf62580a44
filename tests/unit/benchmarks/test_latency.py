"""The latency benchmark: when windows close, and shares of waiting times."""

from __future__ import annotations

import math

from benchmarks import latency, state


def test_a_window_is_closed_by_the_first_event_as_late_as_its_end_and_the_delay() -> None:
    """An event a millisecond too early does not close it; a window that none has closed is left out."""
    assert {2000: 3000, 4000: 5200} == latency.closings([2999, 3000, 4999, 5200], 1000, [2000, 4000, 6000])


def test_a_percentile_is_one_of_the_values() -> None:
    """It is the smallest that at least the share does not exceed: no value between two is made up."""
    values = [5.0, 1.0, 3.0, 2.0]

    assert [2.0, 5.0, 5.0, 1.0] == [latency.percentile(values, share) for share in (0.5, 0.99, 1.0, 0.0)]
    assert math.isnan(latency.percentile([], 0.5))


def test_predictions_wait_for_the_label_delay_from_their_slices_end() -> None:
    """Of 30 days of 10 events a day, the last day's slice waits, and those that the delay reaches back to."""
    assert [0, 20, 80] == [state.Case(events=300, delay=days).waiting for days in (0, 1, 7)]
