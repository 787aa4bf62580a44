"""Formats times, numbers and verdicts for the pages: short, unambiguous, always UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from monitors.finding import Signal, Verdict

NOTHING: Final = "–"
_SHOWN_ELSEWHERE: Final = ("version", "signal", "changes")


def moment(value: datetime | None) -> str:
    """Return a time as day, month, year and, unless it is midnight, hour and minute.

    >>> from datetime import timezone
    >>> moment(datetime(2013, 8, 3, tzinfo=timezone.utc)), moment(datetime(2013, 8, 3, 6, 5, tzinfo=timezone.utc))
    ('3 Aug 2013', '3 Aug 2013 06:05')
    """
    if value is None:
        return NOTHING
    day = f"{value.day} {value:%b %Y}"
    return day if _is_midnight(value) else f"{day} {value:%H:%M}"


def stretch(start: datetime, end: datetime) -> str:
    """Return a half-open period of time; one that ends at midnight is shown with its last day.

    >>> from datetime import timezone
    >>> stretch(datetime(2013, 7, 28, tzinfo=timezone.utc), datetime(2013, 8, 4, tzinfo=timezone.utc))
    '28 Jul – 3 Aug 2013'
    >>> stretch(datetime(2013, 7, 28, tzinfo=timezone.utc), datetime(2013, 7, 29, tzinfo=timezone.utc))
    '28 Jul 2013'
    >>> stretch(datetime(2013, 7, 28, 1, tzinfo=timezone.utc), datetime(2013, 7, 28, 2, tzinfo=timezone.utc))
    '28 Jul 2013 01:00 – 02:00'
    """
    if not (_is_midnight(start) and _is_midnight(end)):
        last = f"{end:%H:%M}" if start.date() == end.date() else moment(end)
        return f"{start.day} {start:%b %Y %H:%M} – {last}"
    last_day = end - timedelta(days=1)
    if last_day <= start:
        return moment(start)
    first = f"{start.day} {start:%b}" if start.year == last_day.year else moment(start)
    return f"{first} – {moment(last_day)}"


def tick(end: datetime) -> str:
    """Return a window's end as an axis label: the day of the month of the last day in it, or the hour.

    >>> from datetime import timezone
    >>> tick(datetime(2013, 8, 4, tzinfo=timezone.utc)), tick(datetime(2013, 8, 4, 6, tzinfo=timezone.utc))
    ('3', '06h')
    """
    return str((end - timedelta.resolution).day) if _is_midnight(end) else f"{end:%H}h"


def number(value: float | None) -> str:
    r"""Return a number for a table: from 1000 on whole with thousands separated, others with three significant digits.

    >>> number(336776), number(0.06812), number(12.0), number(None)
    ('336\u202f776', '0.0681', '12', '–')
    """
    if value is None:
        return NOTHING
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.3g}"


def interval(ends: tuple[float, float] | None) -> str:
    """Return an interval in brackets; empty for None.

    >>> interval((0.30774, 0.36112)), interval((-0.0304, 0.002)), interval(None)
    ('[0.308, 0.361]', '[-0.0304, 0.002]', '')
    """
    return "" if ends is None else f"[{number(ends[0])}, {number(ends[1])}]"


def percent(share: float) -> str:
    r"""Return a share of one in percent.

    >>> percent(0.1234), percent(0.0)
    ('12.3\u202f%', '0.0\u202f%')
    """
    return f"{100 * share:.1f}\N{NARROW NO-BREAK SPACE}%"


def counted(n: int, noun: str) -> str:
    """Return *n* with its noun, in the plural where it is not one.

    >>> counted(1, "window"), counted(0, "window")
    ('1 window', '0 windows')
    """
    return f"{number(n)} {noun}{'' if n == 1 else 's'}"


def details(of: Mapping[str, Any]) -> str:
    """Return the details of an audit log entry about an incident, without those that its page shows elsewhere.

    >>> details({"version": "v1", "signal": "feature", "variables": ["temp", "dewp"], "severity": "info"})
    'variables temp, dewp; severity info'
    """
    shown = {k: ", ".join(v) if isinstance(v, list) else v for k, v in of.items() if k not in _SHOWN_ELSEWHERE}
    return "; ".join(f"{name} {value}" for name, value in shown.items())


def sentence(text: str) -> str:
    """Return an error message with a capital letter and a full stop.

    >>> sentence("there is no model 'x'")
    "There is no model 'x'."
    """
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def verdict_text(verdict: Verdict, signal: Signal | None = None) -> str:
    """Return a verdict as text; drift of the quality signal is called a fault.

    >>> verdict_text(Verdict.DRIFT), verdict_text(Verdict.DRIFT, Signal.QUALITY), verdict_text(Verdict.NOT_ENOUGH)
    ('drift', 'fault', 'not enough evidence')
    """
    if verdict is Verdict.DRIFT and signal is Signal.QUALITY:
        return "fault"
    return verdict.value.replace("_", " ")


def verdict_letter(verdict: Verdict, signal: Signal | None = None) -> str:
    """Return the letter of a verdict in a timeline cell, for readers who cannot tell the colours apart.

    >>> [verdict_letter(verdict) for verdict in (Verdict.STEADY, Verdict.DRIFT, Verdict.NOT_ENOUGH)]
    ['·', 'D', '?']
    >>> verdict_letter(Verdict.DRIFT, Signal.QUALITY)
    'F'
    """
    return {"steady": "·", "drift": "D", "fault": "F"}.get(verdict_text(verdict, signal), "?")


def _is_midnight(value: datetime) -> bool:
    return (value.hour, value.minute, value.second) == (0, 0, 0)
