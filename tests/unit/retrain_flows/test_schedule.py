"""Scheduled retrains: due by age or by new labels, each with its setting as the reason."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from pydantic import ValidationError

from features.window import UTC
from retrain_flows import schedule
from retrain_flows.config import Schedule
from retrain_flows.schedule import SinceLast

DAY = timedelta(days=1)
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


@pytest.mark.parametrize("section", [{"new_labels": 0}, {"interval": "soon"}, {"cron": "* * * * *"}])
def test_a_schedule_that_means_nothing_is_refused(section: dict[str, object]) -> None:
    """When the project file is read."""
    with pytest.raises(ValidationError):
        Schedule.model_validate(section)
