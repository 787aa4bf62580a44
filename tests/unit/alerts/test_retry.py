"""Retry schedule of alerts: as specified, with reproducible jitter, and finite."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import retry
from alerts.retry import Reply

NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)
DOWN = Reply(503)


def _wait(reply: Reply, attempts: int, delivery: int = 1, limit: int = 20) -> timedelta | None:
    again = retry.next_attempt(reply, delivery=delivery, attempts=attempts, limit=limit, now=NOW)
    return None if again is None else again - NOW


@given(attempts=st.integers(1, 19), delivery=st.integers(1, 10**9))
def test_the_delay_is_the_schedules_with_up_to_a_fifth_more(attempts: int, delivery: int) -> None:
    """5 s after the first attempt, 5 min after the second, ... and a day from the ninth on."""
    delay = retry.SCHEDULE[min(attempts, 9)]
    wait = _wait(DOWN, attempts, delivery)

    assert wait is not None
    assert delay <= wait < delay * 1.2
    assert wait == _wait(DOWN, attempts, delivery)


def test_deliveries_are_spread_out() -> None:
    """Receivers that come back are not met by everything at once."""
    assert len({_wait(DOWN, 2, delivery) for delivery in range(50)}) == 50


@pytest.mark.parametrize("reply", [Reply(410), Reply(error="no such endpoint", final=True)])
def test_what_cannot_help_is_not_tried_again(reply: Reply) -> None:
    """A receiver that wants no more, or an endpoint that is gone from the project, gets no second attempt."""
    assert _wait(reply, attempts=1) is None


def test_attempts_are_used_up() -> None:
    """After the last attempt there is no next one."""
    assert _wait(DOWN, attempts=7, limit=8) is not None
    assert _wait(DOWN, attempts=8, limit=8) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Mon, 01 Jan 2024 00:03:00 GMT", 180),
        ("999999999999999999999", 86_400),
        ("9" * 5000, 86_400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 86_400),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 86_400),
    ],
)
def test_a_longer_retry_after_is_honoured_up_to_a_day(header: str, seconds: int) -> None:
    """Seconds or a date, whichever the receiver sends."""
    assert timedelta(seconds=seconds) == _wait(Reply(429, headers={"retry-after": header}), attempts=1)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "soon",
        "-5",
        "1",
        "1.5e9",
        "NaN",
        "inf",
        "٣٦٠٠",
        "120, 240",
        "\x00",
        "-" + "9" * 5000,
        "0" * 5000,
        "Sun, 31 Dec 2023 00:00:00 GMT",
        "Mon, 01 Jan 0000 00:00:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Mon, 32 Jan 2024 25:61:61 GMT",
        "Mon, 01 Jan 99999 00:00:00 GMT",
        "1 Jan 2024 0:0:0 +99999999999",
    ],
)
def test_a_shorter_or_unreadable_retry_after_changes_nothing(header: str) -> None:
    """The schedule is the least wait."""
    assert _wait(DOWN, attempts=1) == _wait(Reply(503, headers={"retry-after": header}), attempts=1)


@pytest.mark.parametrize(("status", "delivered"), [(200, True), (204, True), (301, False), (404, False), (500, False)])
def test_only_2xx_is_delivered(status: int, delivered: bool) -> None:
    """A redirect or an error is a failure, and says its status."""
    reply = Reply(status)

    assert delivered is reply.delivered
    assert ("" if delivered else f"HTTP {status}") == reply.reason


def test_a_reply_without_a_status_says_why() -> None:
    """A connection that failed is told in the client's words."""
    assert Reply(error="ConnectError: refused").reason == "ConnectError: refused"


@given(
    header=st.text()
    | st.from_regex(r"(\w{3}, )?\d{1,6} \w{3} \d{1,7} [\d:]{1,9} [+-]?\w{1,9}")
    | st.integers().map(str)
)
def test_no_retry_after_does_more_than_put_off_for_a_day(header: str) -> None:
    """Whatever a receiver writes there, nothing is raised, and the wait is between the schedule's and a day's."""
    usual, wait = _wait(DOWN, attempts=1), _wait(Reply(503, headers={"retry-after": header}), attempts=1)

    assert usual is not None
    assert wait is not None
    assert usual <= wait <= retry.LONGEST
