"""The false-alarm budget and its shares, which never add up to more than the whole."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from monitors import budget
from monitors.budget import FalseAlarms
from monitors.finding import Signal
from monitors.signals import SIGNALS, SPECS

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "count", "span"),
    [("1 per 90 days", 1, 90 * DAY), ("2 per year", 2, 365 * DAY), ("1 per 12 h", 1, timedelta(hours=12)),
     ("1 PER  2 Weeks ", 1, 14 * DAY), ("3 per quarter", 3, 91 * DAY), ("1 per 6 months", 1, 180 * DAY),
     ("1 per day", 1, DAY),
     ("1 per 36h", 1, timedelta(hours=36)), ("2 per 90d", 2, 90 * DAY)],
)  # fmt: skip
def test_what_people_write_is_read(text: str, count: int, span: timedelta) -> None:
    """A number per stretch of time, in words or units; it is told in a form that is read again."""
    read = FalseAlarms.model_validate(text)

    assert (count, span) == (read.count, read.span)
    assert read == FalseAlarms.model_validate(str(read))
    assert read == TypeAdapter(FalseAlarms).validate_json(read.model_dump_json())


@pytest.mark.parametrize(
    "text", ["", "often", "1 per", "1 per 90", "one per day", "1.5 per day", "1 per fortnight", "-1 per day", "1/day",
             "1 per d", 1, 0.5],
)  # fmt: skip
def test_what_cannot_be_read_is_shown_how(text: object) -> None:
    """The error repeats what was written and gives two examples."""
    with pytest.raises(ValidationError, match="write it like `1 per 90 days` or `2 per year`"):
        FalseAlarms.model_validate(text)


@pytest.mark.parametrize("text", ["0 per day", "1 per 0 days"])
def test_no_alarm_ever_cannot_be_promised(text: str) -> None:
    """Who never alarms never finds anything: at least one, in more than no time."""
    with pytest.raises(ValidationError, match="greater than"):
        FalseAlarms.model_validate(text)


@given(st.integers(1, 100), st.integers(1, 10_000), st.integers(1, 10_000))
def test_slices_between_alarms(count: int, hours: int, minutes: int) -> None:
    """The span over the slide, shared by as many alarms."""
    alarms = FalseAlarms(count=count, span=timedelta(hours=hours))

    assert hours * 60 / minutes / count == pytest.approx(alarms.slices(timedelta(minutes=minutes)))


@given(st.sets(st.sampled_from(list(Signal)), min_size=1), st.integers(0, 50))
def test_shares_add_up_to_the_whole(watched: set[Signal], segments: int) -> None:
    """Over all signals that are watched, all traffic and every segment."""
    names = ["", *(f"place={k}" for k in range(segments))]

    assert 1 == pytest.approx(sum(budget.share(s, name, segments, watched) for s in watched for name in names))


def test_every_signal_has_a_share() -> None:
    """A signal that is added needs one, or nothing of it could ever be promised."""
    assert set(Signal) == set(SPECS)
    assert 1 == pytest.approx(sum(spec.budget_share for spec in SIGNALS))


@given(st.integers(1, 1000), st.floats(0.001, 1))
def test_looks_of_a_budget_add_up_to_its_part(days: int, part: float) -> None:
    """A check without memory may err so often in one look that all looks of the span together err *part* times."""
    level = budget.per_look(FalseAlarms(count=1, span=days * DAY), DAY, part)

    assert min(part, days / 2) == pytest.approx(level * days)
