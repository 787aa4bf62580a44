"""Scheduled retrains: those that no incident calls for, as the section `retrain.schedule` says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from features.window import format_span
from retrain_flows import cron
from retrain_flows.config import Schedule


@dataclass(frozen=True, slots=True)
class SinceLast:
    """What has happened since the last retrain, of whatever reason, in event time.

    Parameters
    ----------
    now
        The newest event time that was read.
    last
        When the last retrain was made, or the first version was trained.
    new_labels
        Number of labels that have matured since then; None if it was not counted.
    """

    now: datetime
    last: datetime
    new_labels: int | None = None


def due(schedule: Schedule, since: SinceLast) -> str:
    """Return why a retrain is due, as a reason of its decision; "" if none is.

    Examples
    --------
    >>> from datetime import timedelta, timezone
    >>> start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    >>> due(Schedule(interval="28d"), SinceLast(start + timedelta(days=29), start))
    'retrain.schedule.interval is 28d: the last retrain was as of 2026-01-01 00:00 UTC'
    >>> due(Schedule(interval="28d"), SinceLast(start + timedelta(days=27), start))
    ''
    """
    if schedule.interval is not None and since.now >= since.last + schedule.interval:
        return (
            f"retrain.schedule.interval is {format_span(schedule.interval)}: "
            f"the last retrain was as of {since.last:%Y-%m-%d %H:%M} UTC"
        )
    if schedule.cron is not None and (moment := cron.first_after(schedule.cron, since.last)) <= since.now:
        return (
            f"retrain.schedule.cron is {schedule.cron}: due since {moment:%Y-%m-%d %H:%M} UTC; "
            f"the last retrain was as of {since.last:%Y-%m-%d %H:%M} UTC"
        )
    if schedule.new_labels is not None and since.new_labels is not None and since.new_labels >= schedule.new_labels:
        return f"retrain.schedule.new_labels is {schedule.new_labels}: {since.new_labels} have matured since the last"
    return ""


def text(schedule: Schedule, last: datetime) -> str:
    """Return when the next retrain is due by schedule, as a clause; "" where none is planned.

    Parameters
    ----------
    schedule
        The schedule.
    last
        When the last retrain was made, or the champion began to serve, in event time.

    Examples
    --------
    >>> from datetime import timedelta, timezone
    >>> text(Schedule(interval="28d", new_labels=500), datetime(2026, 1, 1, tzinfo=timezone.utc))
    'the scheduled retrain: on 2026-01-29 00:00 UTC, or with 500 new labels'
    """
    moments = [] if schedule.interval is None else [last + schedule.interval]
    moments += [] if schedule.cron is None else [cron.first_after(schedule.cron, last)]
    ways = [f"on {min(moments):%Y-%m-%d %H:%M} UTC"] if moments else []
    ways += [] if schedule.new_labels is None else [f"with {schedule.new_labels} new labels"]
    return f"the scheduled retrain: {', or '.join(ways)}" if ways else ""
