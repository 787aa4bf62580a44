"""The clock of a live feed: event time that advances with records and, when none arrive, with the wall clock.

A log of another year may be replayed faster than it was written, and servers may not answer: so the wall clock counts
only from the newest record on, and only while the monitor is connected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from features.window import Windows

GRACE = timedelta(minutes=5)
"""How long after a break records that arrived meanwhile may take to be read (a slice, if that is shorter)."""
BREAK = timedelta(minutes=1)
"""A longer interval between two checks is a break: a server did not answer, or the machine slept."""


@dataclass
class LiveClock:
    """The state of a feed's clock.

    Parameters
    ----------
    reached
        Event time of the newest record, or from which on records are expected.
    checked_at
        Wall time of the last check.
    silent_for
        How long no record had arrived by then.
    newest_arrival
        The newest event time at which something is known to have arrived: the end of a window is one, as the record
        that closed it was later.

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
    _judged_until: datetime | None = field(default=None, init=False)

    def heard(self, reached: datetime | None, now: datetime) -> None:
        """Update the clock: the newest record has the event time *reached*, at the wall time *now*."""
        passed, self.checked_at = max(now - self.checked_at, timedelta(0)), now
        if reached is not None and (self.reached is None or reached > self.reached):
            self.reached, self.silent_for, self._without_break = reached, timedelta(0), timedelta(0)
            self.newest_arrival = reached
            return
        self.silent_for += passed
        self._without_break = self._without_break + passed if passed <= BREAK else timedelta(0)

    def until(self, windows: Windows) -> datetime | None:
        """Return the event time up to which records could have arrived; None if all that it closes has been judged."""
        if self.reached is None or self._without_break < min(GRACE, windows.slide):
            return None
        at = self.reached + self.silent_for
        return None if windows.last_closed(at) == self._judged_until else at

    def judged(self, until: datetime, windows: Windows) -> None:
        """Take the windows that *until* closes as judged: where that failed they are still to be told of."""
        self._judged_until = windows.last_closed(until)
