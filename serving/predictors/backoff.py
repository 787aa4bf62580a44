"""Backoff: a version that could not be loaded is tried again, ever less often, while the last good one answers on."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

FIRST_RETRY, LONGEST_RETRY = 2.0, 120.0
"""Seconds until a version that could not be loaded is tried again: at first, and at most."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often a version has failed in a row, and when it is tried again.

    Parameters
    ----------
    version
        The version that has failed; None before any failure.
    times
        How often in a row.
    again
        When it is tried again (s of a monotonic clock).
    """

    version: Hashable = None
    times: int = 0
    again: float = 0.0

    def is_early(self, version: Hashable, clock: float) -> bool:
        """Return whether it is too early, at a time of the clock, to try a version: another one is tried at once."""
        return version == self.version and clock < self.again

    def after_failure(self, version: Hashable, clock: float) -> Backoff:
        """Return the backoff after another failure, at a time of the clock: the wait doubles for the same version.

        >>> first = Backoff().after_failure("v2", 10.0)
        >>> first.again, first.is_early("v2", 11.0), first.is_early("v3", 11.0), first.after_failure("v2", 12.0).again
        (12.0, True, False, 16.0)
        """
        times = self.times + 1 if version == self.version else 1
        wait = min(FIRST_RETRY * 2.0 ** min(times - 1, 30), LONGEST_RETRY)
        return Backoff(version, times, clock + wait)
