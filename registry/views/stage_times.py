"""Time by stage of a retrain: from the first window with drift to the promotion, from what is on record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from features.window import format_span
from registry.records import Incident, Promotion, RetrainRun


@dataclass(frozen=True, slots=True)
class StageTimes:
    """When each stage was reached, in event time; training and gate, which take none, in seconds.

    Parameters
    ----------
    onset
        The end of the first window that drifted.
    alarm
        The end of the window that opened the incident.
    decided
        The moment as of which the decision was carried out: what was trained on had come by then.
    seconds
        Wall time (s) of training and gate; None while they go on.
    promoted
        When the promotion took effect, after the gate or a trial; None without one.
    """

    onset: datetime
    alarm: datetime
    decided: datetime
    seconds: float | None
    promoted: datetime | None

    @property
    def text(self) -> str:
        """The stages in words, with how long each took.

        >>> from datetime import timezone
        >>> day = [datetime(2024, 3, d, tzinfo=timezone.utc) for d in range(1, 31)]
        >>> StageTimes(day[0], day[1], day[4], 12.34, day[4]).text
        'first drift to alarm 1d, alarm to decision 3d, training and gate 12.3 s, to promotion 0s; in all 4d'
        """
        return ", ".join(self._stages()) + self._total()

    def _stages(self) -> Iterator[str]:
        yield f"first drift to alarm {_span(self.alarm - self.onset)}"
        yield f"alarm to decision {_span(self.decided - self.alarm)}"
        if self.seconds is not None:
            yield f"training and gate {self.seconds:,.1f} s"
        if self.promoted is not None:
            yield f"to promotion {_span(self.promoted - self.decided)}"

    def _total(self) -> str:
        return "" if self.promoted is None else f"; in all {_span(self.promoted - self.onset)}"


def _span(span: timedelta) -> str:
    return format_span(max(span, timedelta(0)))


def stage_times(incident: Incident, run: RetrainRun, promotion: Promotion | None, seconds: float | None) -> StageTimes:
    """Return the time by stage of a retrain.

    Parameters
    ----------
    incident
        The incident that it was decided about.
    run
        Its run.
    promotion
        What it promoted; None if nothing.
    seconds
        Wall time (s) of training and gate; None while they go on.
    """
    promoted = promotion.effective_at if promotion else None
    return StageTimes(incident.since, incident.opened_at, run.as_of, seconds, promoted)
