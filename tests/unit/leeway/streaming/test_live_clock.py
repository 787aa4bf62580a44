"""Clock of a live feed: continues by wall time from the newest record, while the feed is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from features.errors import RegistryAway
from features.window import UTC, Windows
from leeway.streaming.consume_output import OutputConsumer
from leeway.streaming.live_clock import LiveClock
from monitors.report import Report
from registry.incidents.missing_windows import ClockReached

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOURLY = Windows.model_validate({"size": "1h", "slide": "1h"})


def listen(heard: LiveClock, minutes: range, reached: datetime | None = None) -> list[datetime]:
    """Look once a minute, and return up to when silence was judged each time that this closed another window."""
    found = []
    for minute in minutes:
        heard.heard(reached, NOON + timedelta(minutes=minute))
        if at := heard.until(HOURLY):
            heard.judged(at, HOURLY)
            found.append(at)
    return found


def test_silence_is_judged_once_a_slice() -> None:
    """However often somebody looks: when another window would be closed."""
    heard = LiveClock(NOON, NOON)
    assert [0, 60, 120] == [(at - NOON) // timedelta(hours=1) * 60 for at in listen(heard, range(150))]


def test_a_log_of_another_year_is_no_silence_of_years() -> None:
    """Time goes on from its newest record, not from today's date."""
    old = NOON - timedelta(days=4000)
    (first, *_) = listen(LiveClock(None, NOON), range(30), old)
    assert old <= first <= old + timedelta(minutes=30)


def test_what_comes_sets_the_clock() -> None:
    """A record later than all others is the new beginning."""
    heard = LiveClock(NOON, NOON)
    listen(heard, range(50))
    assert [] == listen(heard, range(50, 54), NOON + timedelta(minutes=49))
    assert heard.reached == NOON + timedelta(minutes=49)
    assert heard.silent_for == timedelta(minutes=3)


def test_after_an_outage_the_records_have_time_to_be_read() -> None:
    """Who could not look for three hours does not tell of silence before five minutes of listening are over."""
    heard = LiveClock(NOON, NOON)
    listen(heard, range(10))
    assert [] == listen(heard, range(190, 195))
    assert NOON + timedelta(hours=3) <= listen(heard, range(195, 197))[0]


def test_nothing_is_known_before_a_version_serves() -> None:
    """Without a champion nothing is waited for."""
    assert [] == listen(LiveClock(None, NOON), range(300))


@dataclass(frozen=True)
class Consumer(OutputConsumer):
    """A consumer whose registry is away until it is *back*."""

    back: list[bool] = field(default_factory=list)
    stored: list[ClockReached | None] = field(default_factory=list)

    def store(self, reports: Sequence[Report], until: ClockReached | None = None) -> None:
        """Store what is missing, if the registry is there."""
        if not self.back:
            raise RegistryAway("it does not answer")
        self.stored.append(until)


def test_silence_that_could_not_be_stored_is_told_again() -> None:
    """A registry that is away while a window is missed hears of it when it is back, not a slice later."""
    minutes, model = iter(range(100)), SimpleNamespace(schema=SimpleNamespace(windows=HOURLY))
    consumer = Consumer(cast(Any, None), cast(Any, model), lambda: NOON + timedelta(minutes=next(minutes)))
    consumer.__dict__["_live_clock"] = LiveClock(NOON, NOON)
    for _ in range(5):
        consumer.report_missing_windows()
    with pytest.raises(RegistryAway):
        consumer.report_missing_windows()
    consumer.back.append(True)
    for _ in range(20):
        consumer.report_missing_windows()

    (reached,) = consumer.stored
    assert reached is not None
    assert NOON + timedelta(minutes=6) == reached.time
