"""Clock of a live feed: continues by wall time from the newest record, while the feed is read."""

from __future__ import annotations

from datetime import datetime, timedelta

from features.window import UTC, Windows
from leeway.streaming.live_clock import LiveClock

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOURLY = Windows.model_validate({"size": "1h", "slide": "1h"})


def listen(heard: LiveClock, minutes: range, reached: datetime | None = None) -> list[datetime]:
    """Look once a minute, and return up to when silence was judged each time that this closed another window."""
    found = []
    for minute in minutes:
        heard.heard(reached, NOON + timedelta(minutes=minute))
        found += [at] if (at := heard.until(HOURLY)) else []
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
