"""Faulty periods: the stretches of event time of a model whose rows are not to be trained on, with their variables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from monitors.finding import Signal
from registry import lookups
from registry.connection import Registry
from registry.database import mapping, tables
from registry.incidents import acceptances
from registry.records import AcceptedAs, Incident


@dataclass(frozen=True, slots=True)
class FaultyPeriod:
    """A stretch of event time under a data fault.

    Parameters
    ----------
    start, end
        From the start of the newest slice of the first window that had the fault to the end of the newest that did, end
        excluded.
    variables
        The variables with the fault, sorted; ``*`` is the feed as a whole.
    incident_id
        The incident that says so.
    """

    start: datetime
    end: datetime
    variables: tuple[str, ...]
    incident_id: int


def faulty_periods(reg: Registry, model: str) -> list[FaultyPeriod]:
    """Return the periods of a model that are under a data fault, of all its versions, by the number of their incident.

    These are data quality incidents, open or not, that nobody accepted as drift, and incidents of drift that somebody
    accepted as a fault. One that late data corrected away has no window left, and so no period. The variables are those
    of an incident's first and newest windows.
    """
    with reg.read() as c:
        accepted = acceptances.newest_by_incident(c, model)
        mine = mapping.select(Incident, tables.incidents.c.model == model).order_by(tables.incidents.c.id)
        faulty = [i for i in mapping.fetch(c, Incident, mine) if i.windows and _is_fault(i, accepted.get(i.id))]
        slides = {version: _slide(c, model, version) for version in {i.version for i in faulty}}
    return [FaultyPeriod(i.since - slides[i.version], i.last_seen, _variables(i), i.id) for i in faulty]


def _is_fault(incident: Incident, accepted_as: AcceptedAs | None) -> bool:
    if accepted_as is not None:
        return accepted_as is AcceptedAs.FAULT
    return incident.signal is Signal.QUALITY


def _variables(incident: Incident) -> tuple[str, ...]:
    return tuple(sorted({e.finding.variable for e in incident.evidence}))


def _slide(c: sa.Connection, model: str, version: str) -> timedelta:
    """Return the length of a version's slices; 0 where it has no baseline."""
    digest = lookups.version(c, model, version).baseline
    return timedelta(0) if digest is None else lookups.baseline(c, digest).events.windows.slide
