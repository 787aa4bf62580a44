"""Acknowledgements: who has seen an open incident, when, and what they said; read from the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from registry.database import mapping, tables
from registry.records import AuditEntry, IncidentState

ACTION = "incident.acknowledged"
"""The action of an acknowledgement's line in the audit log."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Who acknowledged an incident, when by the clock, and why it needs nobody else now."""

    actor: str
    at: datetime
    because: str

    @property
    def text(self) -> str:
        """The acknowledgement as a clause: by whom, and what they said."""
        return f"by {self.actor}" + (f": {self.because}" if self.because else "")


def by_incident(c: sa.Connection, model: str) -> Mapping[int, Acknowledgement]:
    """Return the acknowledgement of each acknowledged incident of a model, by its number.

    An incident that was reopened since is open, not acknowledged: whoever saw it before has not seen that it is back.
    """
    t = tables.incidents.c
    seen = sa.select(t.id).where(t.model == model, t.state == IncidentState.ACKNOWLEDGED.value)
    numbers = {f"incident {number}": number for number in c.scalars(seen)}
    if not numbers:
        return {}
    log = tables.audit_log.c
    mine = mapping.select(AuditEntry, log.model == model, log.action == ACTION, log.subject.in_(numbers))
    return {
        numbers[line.subject]: Acknowledgement(line.actor, line.at, str(line.details.get("because", "")))
        for line in mapping.fetch(c, AuditEntry, mine.order_by(log.seq))
    }
