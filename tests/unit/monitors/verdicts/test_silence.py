"""Missing data: reported within a slice of what the baseline leaves to chance, and never for a regular schedule."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.schema import Task
from features.window import from_ms, to_ms
from monitors.baseline import renewal
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.sequential.seasonality import DAY, HOUR, WEEK
from monitors.stats.bins import Counts
from monitors.verdicts import silence, window_reference
from monitors.verdicts.silence import FeedPace
from tests.support import learned_baselines as learned
from tests.support.example_counts import examples
from tests.support.learned_baselines import schema

LEVEL = 1e-4
START = 100 * WEEK


def hours(weeks: int, open_hours: set[int], rows: int) -> Counts:
    """Return *rows* in every slice of an hour whose hour of the week is one of *open_hours*."""
    return np.array([rows if hour in open_hours else 0 for _ in range(weeks) for hour in range(WEEK // HOUR)])


@given(st.integers(12, 500), st.integers(2, 60), st.integers(0, 1000))
def test_a_steady_feed_that_stops_is_told_after_one_slice(rows: int, slices: int, at: int) -> None:
    """Whenever it stops: the first empty slice is the fault, and the slice before is none."""
    pace, since = FeedPace(START, DAY, np.full(slices, rows), LEVEL), START + at * DAY

    assert silence.silence_fault(pace, since, since) is None
    fault = silence.silence_fault(pace, since, since + DAY)
    assert fault is not None
    assert (1.0, 0.0) == (fault.effect, fault.threshold)


@settings(deadline=None, max_examples=examples(60))
@given(st.sets(st.integers(0, 167), min_size=1, max_size=167), st.integers(2, 5), st.integers(10, 300))
def test_a_schedule_like_the_baselines_is_no_fault(open_hours: set[int], weeks: int, rows: int) -> None:
    """Whatever hours of the week are quiet in it: the same ones are quiet again, and nothing is told."""
    pace = FeedPace(START, HOUR, hours(weeks, open_hours, rows), LEVEL)
    since = START + weeks * WEEK
    last = max(open_hours) + 1 - WEEK // HOUR  # the last slice of the baseline in which anything came
    for hour in sorted(open_hours):  # each gap at its longest: a silence that is no fault at its end was none before
        if last < hour:
            assert silence.silence_fault(pace, since + last * HOUR, since + hour * HOUR) is None
        last = hour + 1


@settings(deadline=None, max_examples=examples(60))
@given(st.sets(st.integers(0, 167), min_size=1, max_size=167), st.integers(0, 167))
def test_a_feed_with_quiet_hours_that_stops_is_told_soon_after_it_was_due(open_hours: set[int], at: int) -> None:
    """At most an hour, and a slice, after the second time that the baseline would have had something."""
    pace = FeedPace(START, HOUR, hours(3, open_hours, 40), LEVEL)
    since = START + 10 * WEEK + at * HOUR
    due = silence.fault_due(pace, since)
    busy = [since + (i + 1) * HOUR for i in range(3 * 168) if (at + i) % 168 in open_hours]

    assert due is not None
    assert busy[0] <= due <= busy[2] + 2 * HOUR


def test_an_hour_of_summer_time_is_no_fault() -> None:
    """Office hours that begin an hour later or earlier, in UTC, are the same schedule."""
    office = {day * 24 + hour for day in range(5) for hour in range(8, 17)}
    pace = FeedPace(START, HOUR, hours(4, office, 50), LEVEL)
    evening = START + 10 * WEEK + 17 * HOUR
    for since, end in ((evening, evening + 16 * HOUR), (evening - HOUR, evening + 14 * HOUR)):
        assert silence.silence_fault(pace, since, end) is None
    assert silence.silence_fault(pace, evening - 4 * HOUR, evening - 3 * HOUR) is not None


@pytest.mark.parametrize("mean", [pytest.param(0.5, marks=pytest.mark.slow), 2.0, 5.0, 10.0, 30.0])
def test_sparse_traffic_keeps_to_its_level(mean: float) -> None:
    """A few rows a slice leave slices empty: over many baselines that is told no more often than the level says."""
    rng, faults, looks = np.random.default_rng(7), 0, 0
    level = 2e-3
    for _ in range(150):
        pace = FeedPace(START, DAY, rng.poisson(mean, 28), level)
        heard, before = START + 28 * DAY, False
        for i, n in enumerate(rng.poisson(mean, 180)):
            end = START + (29 + i) * DAY
            told = n == 0 and silence.silence_fault(pace, heard, end) is not None
            heard = end if n else heard
            faults, looks, before = faults + (told and not before), looks + 1, told
    assert faults <= level * looks


def test_gaps_that_no_calendar_explains_make_it_wait() -> None:
    """A batch of rows every few days, now and then: twice the longest gap, and longer than chance."""
    rows = np.array([900, 0, 0, 900, 0, 900, 900, 0, 0, 0, 900, 0, 900, 0, 0, 900, 0, 900, 900, 0, 900])
    pace = FeedPace(START, DAY, rows, LEVEL)
    due = silence.fault_due(pace, START + 50 * DAY)

    assert (0, 3) == (pace.period, pace.longest_gap)
    assert due is not None
    assert due >= START + 56 * DAY


def test_too_few_rows_cannot_tell_and_the_policy_can() -> None:
    """Three rows in a month leave every silence to chance; who knows better sets `monitor.silence`."""
    few = FeedPace(START, DAY, np.array([1, 0, 0, 1, 0, 1, 0, 0]), LEVEL)
    known = FeedPace(START, DAY, few.rows, LEVEL, allowed=2)

    assert silence.fault_due(few, START) is None
    assert [None, None] == [silence.silence_fault(known, START, START + n * DAY) for n in (1, 2)]
    assert silence.silence_fault(known, START, START + 3 * DAY) is not None


def test_the_pace_is_that_of_the_baselines_whole_slices() -> None:
    """Its rows by slice, the empty ones included; the policy's own length counts in slices, rounded up."""
    rng = np.random.default_rng(1)
    rows = {"x": rng.normal(size=200), "prediction": rng.random(200), "label": rng.integers(2, size=200).astype(float)}
    known = learned.baseline(schema(Task.BINARY, "x"), rows, days=10)
    holed = known.model_copy(update={"inputs": tuple(s for s in known.inputs if s.start != 3 * DAY)})
    pace = silence.feed_pace(holed, MonitorPolicy(silence=timedelta(hours=30)))

    assert [20, 20, 20, 0, *[20] * 6] == pace.rows.tolist()
    assert (0, DAY, 2) == (pace.first, pace.slide, pace.allowed)


def test_what_lies_between_the_periods_of_a_renewed_baseline_is_no_silence() -> None:
    """The version did not serve then: the pace is that of the longer period, and windows have events as often."""
    rng = np.random.default_rng(1)
    rows = {"x": rng.normal(size=200), "prediction": rng.random(200), "label": rng.integers(2, size=200).astype(float)}
    known = learned.baseline(schema(Task.BINARY, "x"), rows, days=10)
    later = {Stage.INPUTS: [s.model_copy(update={"start": s.start + 14 * DAY}) for s in known.inputs[:4]]}
    renewed = renewal.renewed(known, later, {Stage.INPUTS: from_ms(18 * DAY)})

    assert ((0, 10), (14, 18)) == tuple((to_ms(a) // DAY, to_ms(b) // DAY) for a, b in renewed.periods)
    before, after = (silence.feed_pace(baseline, MonitorPolicy()).rows.tolist() for baseline in (known, renewed))
    assert before == after
    assert 7 == window_reference.usual_slices(renewed, Stage.INPUTS, "", 7)


def test_a_slice_with_hardly_any_rows_is_a_fault() -> None:
    """Below a third of the least slice, beyond the baseline's own unrest; where slices are empty, none is."""
    steady = FeedPace(START, DAY, np.array([90, 100, 110, 95]), LEVEL)
    told = silence.low_volume_fault(steady, 10)

    assert told is not None
    assert "10 rows came in the newest slice, 90 to 110" in told.reason
    assert silence.low_volume_fault(steady, 60) is None
    assert silence.low_volume_fault(FeedPace(START, DAY, np.array([90, 0, 110]), LEVEL), 1) is None
