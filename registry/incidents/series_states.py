"""States of series: what judging a series has come to, beside the stored report that it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from monitors.finding import Stage
from monitors.sequential.monitoring_plan import MonitorState
from registry.incidents import stored_series
from registry.incidents.stored_series import Series


@dataclass(frozen=True, eq=False)
class SeriesState:
    """The state of a series, on one *baseline* (its sha256), after the report *digest*, whose window ended at *end*."""

    monitor: MonitorState
    baseline: str
    end: datetime
    digest: str


class SeriesStates:
    """The states of all series, of each the last two: what was judged last may not have been stored."""

    def __init__(self) -> None:
        self._of: dict[Series, tuple[SeriesState, ...]] = {}

    def remember(self, key: Series, reached: SeriesState, start: SeriesState | None) -> None:
        """Remember the state that a series has *reached* from *start*, and that one."""
        self._of[key] = (reached, start) if start else (reached,)

    def newest(self, c: sa.Connection, series: Iterable[Series]) -> dict[Series, str]:
        """Return the digest of the newest stored report of each series, where a state may be of it or of one before."""
        oldest: dict[tuple[str, Stage], datetime] = {}
        for key in series:
            for state in self._of.get(key, ()):
                of = key[0], key[3]
                oldest[of] = min(oldest.get(of, state.end), state.end)
        return {
            key: digest for of, end in oldest.items() for key, digest in stored_series.newest_since(c, *of, end).items()
        }

    def before(self, key: Series, end: datetime, newest: str | None) -> SeriesState | None:
        """Return a state that the newest stored report left, if it is older than a window that ends at *end*."""
        states = [state for state in self._of.get(key, ()) if state.end < end]
        return next((state for state in states if state.digest == newest), None)
