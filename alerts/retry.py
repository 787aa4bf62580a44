"""When to try again, and when to stop: pure, so that every delay can be looked up beforehand.

The delays are those of the Standard Webhooks specification 1.0.0, section "Delivery and retries".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from features.security import printable
from features.window import UTC, parse_span

SCHEDULE: Final = tuple(parse_span(s) for s in ("0s", "5s", "5m", "30m", "2h", "5h", "10h", "14h", "20h", "24h"))
LONGEST: Final = SCHEDULE[-1]
JITTER: Final = 0.2
GONE: Final = 410
ERROR_LENGTH: Final = 300
"""Characters of an error that go on record."""
_HEADER: Final = 64
"""No number of seconds and no date of HTTP is longer."""


@dataclass(frozen=True)
class Reply:
    """What came of one attempt: a status, or an *error* in words where there was none.

    *unreachable* says that nothing was sent, so that another address may be tried at once; *final* that trying again
    cannot help.
    """

    status: int | None = None
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    unreachable: bool = False
    final: bool = False

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it: any 2xx, nothing else."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """Why it was not delivered, in words; empty if it was."""
        if self.delivered or self.status is None:
            return self.error
        return "HTTP 410: the receiver wants no more" if self.status == GONE else f"HTTP {self.status}"


def failed(error: Exception, *, unreachable: bool = False) -> Reply:
    """Return the reply that stands for *error*, in words of a bounded length: a receiver may have chosen them.

    >>> failed(ValueError("a" * 1000)).error[-5:], len(failed(ValueError("a" * 1000)).error)
    ('aa...', 300)
    """
    text = printable.visible(f"{type(error).__name__}: {error}".rstrip(": "))
    return Reply(error=text if len(text) <= ERROR_LENGTH else f"{text[: ERROR_LENGTH - 3]}...", unreachable=unreachable)


def next_attempt(reply: Reply, *, delivery: int, attempts: int, limit: int, now: datetime) -> datetime | None:
    """Return when to try again after attempt number *attempts* (from 1) failed with *reply*; None means never.

    Never after a 410 or a final reply, nor once *limit* attempts are used up. Otherwise after
    the schedule's delay with its jitter, or the receiver's Retry-After if that is later (at most a day).
    """
    if reply.final or reply.status == GONE or attempts >= limit:
        return None
    delay = SCHEDULE[min(attempts, len(SCHEDULE) - 1)]
    wait = delay * (1 + JITTER * _jitter(delivery, attempts))
    return now + max(wait, _retry_after(reply.headers, now=now))


def _jitter(delivery: int, attempts: int) -> float:
    """Return a number in [0, 1) that spreads deliveries out, and is the same whenever it is asked for."""
    text = f"{delivery}:{attempts}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") / 2**32


def _retry_after(headers: Mapping[str, str], *, now: datetime) -> timedelta:
    """Return how long a Retry-After header asks to wait, at most a day (RFC 9110, 10.2.3); nothing if unread.

    It is a number of seconds or an HTTP date; a longer text than either is cut, and a number stays a large one.

    >>> _retry_after({"retry-after": "120"}, now=datetime(2024, 1, 1, tzinfo=UTC))
    datetime.timedelta(seconds=120)
    >>> _retry_after({"retry-after": "Mon, 01 Jan 2024 00:01:00 GMT"}, now=datetime(2024, 1, 1, tzinfo=UTC))
    datetime.timedelta(seconds=60)
    """
    text = headers.get("retry-after", "").strip()[:_HEADER]
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text), int(LONGEST.total_seconds())))
    try:
        when = parsedate_to_datetime(text)
        return min(max(when.replace(tzinfo=when.tzinfo or UTC) - now, timedelta(0)), LONGEST)
    except (ValueError, TypeError, LookupError, OverflowError):  # all of them have been seen to come of garbage
        return timedelta(0)
