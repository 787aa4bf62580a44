"""Scheduled retrains: due by age or by new labels, each with its setting as the reason."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from features.window import UTC
from retrain_flows import cron, schedule
from retrain_flows.config import Audit, Schedule
from retrain_flows.schedule import SinceLast

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
MONDAYS = "0 6 * * 1"
LAST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("age", "due"), [(28 * DAY - timedelta(seconds=1), False), (28 * DAY, True), (90 * DAY, True)])
def test_an_interval_is_due_to_the_second(age: timedelta, *, due: bool) -> None:
    """The reason names the setting and the last retrain."""
    reason = schedule.due(Schedule(interval=28 * DAY), SinceLast(LAST + age, LAST))
    expected = "retrain.schedule.interval is 28d: the last retrain was as of 2026-01-01 00:00 UTC" if due else ""
    assert expected == reason


@pytest.mark.parametrize(("labels", "due"), [(None, False), (0, False), (999, False), (1000, True)])
def test_new_labels_make_a_retrain_due(labels: int | None, *, due: bool) -> None:
    """Where they were not counted, none is."""
    reason = schedule.due(Schedule(new_labels=1000), SinceLast(LAST + DAY, LAST, labels))
    assert due == (reason == "retrain.schedule.new_labels is 1000: 1000 have matured since the last")
    assert due == bool(reason)


def test_without_a_schedule_none_is_due() -> None:
    """Whatever has happened."""
    assert "" == schedule.due(Schedule(), SinceLast(LAST + 900 * DAY, LAST, 10**9))


def test_either_setting_suffices() -> None:
    """Whichever comes first."""
    both = Schedule(interval=28 * DAY, new_labels=1000)
    assert schedule.due(both, SinceLast(LAST + DAY, LAST, 1000)).startswith("retrain.schedule.new_labels")
    assert schedule.due(both, SinceLast(LAST + 28 * DAY, LAST, 0)).startswith("retrain.schedule.interval")


@pytest.mark.parametrize("section", [{"new_labels": 0}, {"interval": "soon"}, {"cron": "soon"}, {"at": "6"}])
def test_a_schedule_that_means_nothing_is_refused(section: dict[str, object]) -> None:
    """When the project file is read."""
    with pytest.raises(ValidationError):
        Schedule.model_validate(section)


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [("05 06:00", "12 05:59", False), ("05 06:00", "12 06:00", True), ("05 05:59", "05 06:00", True),
     ("06 00:00", "09 00:00", False), ("05 06:00", "26 12:00", True)],
)  # fmt: skip
def test_a_cron_moment_after_the_last_retrain_is_due_once_it_has_come(last: str, now: str, *, due: bool) -> None:
    """The last retrain's own moment does not count again; of several missed ones the first is the reason."""
    at = [datetime.strptime(f"2026-01-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC) for text in (last, now)]
    reason = schedule.due(Schedule(cron=MONDAYS), SinceLast(at[1], at[0]))
    assert due == reason.startswith("retrain.schedule.cron is 0 6 * * 1: due since 2026-01-")
    assert due == bool(reason)


MOMENTS = st.integers(0, 60 * 24 * 40).map(lambda minutes: LAST + minutes * MINUTE)


@given(
    last=MOMENTS,
    now=MOMENTS,
    minute=st.sampled_from([0, 30, 59]),
    hour=st.sampled_from(["*", "6", "*/8"]),
    weekday=st.sampled_from(["*", "1", "1-5"]),
)
def test_a_cron_is_due_exactly_if_a_moment_lies_after_the_last_retrain_and_not_after_now(
    last: datetime, now: datetime, minute: int, hour: str, weekday: str
) -> None:
    """Compared with all minutes in between, by the calendar."""
    hours = {"*": range(24), "6": [6], "*/8": [0, 8, 16]}[hour]
    weekdays = {"*": range(1, 8), "1": [1], "1-5": range(1, 6)}[weekday]
    between = (last + k * MINUTE for k in range(1, max((now - last) // MINUTE, 0) + 1))
    fits = any(t.minute == minute and t.hour in hours and t.isoweekday() in weekdays for t in between)
    section = Schedule(cron=f"{minute} {hour} * * {weekday}")
    assert fits == bool(schedule.due(section, SinceLast(now, last)))


@pytest.mark.parametrize(
    ("expression", "why"),
    [("61 6 * * 1", "bad minute"), ("0 6 * *", "4 fields, not 5"), ("0 0 6 * * 1", "6 fields, not 5"),
     ("0 0 31 2 *", "bad day-of-month"), ("every Monday", "2 fields"), ("", "0 fields")],
)  # fmt: skip
def test_what_is_no_cron_expression_is_refused_with_the_reason(expression: str, why: str) -> None:
    """In both places where one is written, with the fields that are expected and an example."""
    for section, key in ((Schedule, "cron"), (Audit, "schedule")):
        with pytest.raises(ValidationError, match=f"is not a cron expression \\({why}.*like 0 6 \\* \\* 1"):
            section.model_validate({key: expression})


def test_an_expression_that_never_comes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library searches for 50 years and gives up."""
    assert cron.parse_cron("0 0 29 2 *") == "0 0 29 2 *"
    monkeypatch.setattr(cron, "CronSim", lambda *_: iter(()))
    with pytest.raises(ValueError, match="no moment fits it"):
        cron.parse_cron("0 0 29 2 *")
