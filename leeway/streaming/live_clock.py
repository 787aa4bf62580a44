"""The clock of a live feed: event time that moves on with what comes, and with the clock on the wall when nothing does.

A log of another year may be replayed faster than it was written, and servers may be away: so the wall's clock counts
only from the newest record on, and only while somebody listens.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from features.window import Windows

GRACE = timedelta(minutes=5)
"""After a break in listening, so long may the records that came meanwhile take to be read (or a slice, if shorter)."""
BREAK = timedelta(minutes=1)
"""Who has not looked for so long was not listening: a server was away, or the machine slept."""


@dataclass
class LiveClock:
    """What is heard of a feed: *reached* is the event time of the newest record, or where it is waited for from.

    *looked* is when somebody last looked, by the clock on the wall, and *silent* for how long nothing had come by then.
    *come* is the newest event time of which something is known to have come: the end of a window is one, as what
    closed it was later.

    >>> from features.window import UTC
    >>> noon = datetime(2024, 3, 1, 12, tzinfo=UTC)
    >>> heard = LiveClock(noon, noon)
    >>> for minute in range(62):
    ...     heard.heard(noon, noon + timedelta(minutes=minute))
    >>> heard.until(Windows(size="1h", slide="1h"))
    datetime.datetime(2024, 3, 1, 13, 1, tzinfo=datetime.timezone.utc)
    """

    reached: datetime | None
    checked_at: datetime
    silent_for: timedelta = timedelta(0)
    newest_arrival: datetime | None = None
    _without_break: timedelta = field(default=timedelta(0), init=False)
    _reported_until: datetime | None = field(default=None, init=False)

    def heard(self, reached: datetime | None, now: datetime) -> None:
        """Take note that the newest record so far is of event time *reached*, at *now* by the clock on the wall."""
        passed, self.checked_at = max(now - self.checked_at, timedelta(0)), now
        if reached is not None and (self.reached is None or reached > self.reached):
            self.reached, self.silent_for, self._without_break = reached, timedelta(0), timedelta(0)
            self.newest_arrival = reached
            return
        self.silent_for += passed
        self._without_break = self._without_break + passed if passed <= BREAK else timedelta(0)

    def until(self, windows: Windows) -> datetime | None:
        """Return the event time up to which records might have come; None if no further one of *windows* is closed."""
        if self.reached is None or self._without_break < min(GRACE, windows.slide):
            return None
        at = self.reached + self.silent_for
        closed = windows.last_closed(at)
        if closed == self._reported_until:
            return None
        self._reported_until = closed
        return at
