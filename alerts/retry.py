"""The retry schedule of deliveries: when to try again, and when to give up. Pure.

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
"""Delays before each attempt; the last is repeated."""
LONGEST: Final = SCHEDULE[-1]
"""Longest delay that a Retry-After header can ask for."""
JITTER: Final = 0.2
"""Largest part of a delay that is added at random."""
GONE: Final = 410
"""HTTP status after which a receiver is not tried again."""
ERROR_LENGTH: Final = 300
"""Most characters of an error that are recorded."""
_HEADER: Final = 64
"""Most characters of a Retry-After header that are read: longer than any number of seconds or HTTP date."""


@dataclass(frozen=True)
class Reply:
    """The result of one attempt: an HTTP status, or an *error* where there was none.

    *unreachable* if nothing was sent, so that another address may be tried at once; *final* if a retry cannot help.
    """

    status: int | None = None
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    unreachable: bool = False
    final: bool = False

    @property
    def delivered(self) -> bool:
        """Whether the receiver accepted it: any 2xx status."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """Why it was not delivered; empty if it was."""
        if self.delivered or self.status is None:
            return self.error
        return "HTTP 410: the receiver has unsubscribed" if self.status == GONE else f"HTTP {self.status}"


def failed(error: Exception, *, unreachable: bool = False) -> Reply:
    """Return the reply for an *error*, with its text cut to `ERROR_LENGTH`: a receiver may have chosen it.

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
    """Return a reproducible number in [0, 1) that spreads deliveries out."""
    text = f"{delivery}:{attempts}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") / 2**32


def _retry_after(headers: Mapping[str, str], *, now: datetime) -> timedelta:
    """Return the wait of a Retry-After header, at most `LONGEST` (RFC 9110, 10.2.3); 0 if it cannot be read.

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
    except (ValueError, TypeError, LookupError, OverflowError):  # all of them occur for malformed headers
        return timedelta(0)
