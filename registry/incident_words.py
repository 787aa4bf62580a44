"""An open incident in one sentence, as the status of its model has it."""

from __future__ import annotations

from collections.abc import Sequence

from monitors.finding import Signal
from monitors.report import Report
from registry.records import Incident


def first(names: Sequence[str], most: int) -> str:
    """Return the first names, and whether there are more.

    >>> first(["a", "b"], 2), first(["a", "b", "c"], 2)
    ('a, b', 'a, b and more')
    """
    return ", ".join(names[:most]) + (" and more" if len(names) > most else "")


def words(incident: Incident, newest: Report | None, seen_by: str) -> str:
    """Return an open incident in words: how bad, what, where, and who has seen it.

    Where the *newest* window is without it, also when it was last seen.
    """
    where = sorted({e.segment for e in incident.evidence})
    names = sorted({e.finding.variable for e in incident.evidence if e.finding.variable != "*"})
    is_fault = incident.signal is Signal.QUALITY
    what = "data fault" if is_fault else f"{incident.signal.value} drift"
    variables = f" in {first(names, 3)}" if names else ""
    segment = f", segment {first(where, 2)}"
    inside = segment if where and "" not in where else ""
    why = next((e.finding.reason for e in reversed(incident.evidence) if e.finding.reason and is_fault), "")
    tail = f": {why}" if why else ""
    over = newest is not None and incident.last_seen < newest.window_end
    seen = f", last seen {incident.last_seen:%Y-%m-%d %H:%M}".removesuffix(" 00:00") if over else ""
    by = f", acknowledged by {seen_by}" if seen_by else ""
    return f"{incident.severity.value}: {what}{variables}{inside} (incident {incident.id}{seen}{by}){tail}"
