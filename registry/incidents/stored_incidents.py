"""The registry's incident store: each transition of the life cycle as rows, lines of the audit log and messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from monitors.finding import Signal
from registry import lookups, outbox
from registry.audit_log import chain
from registry.config import IncidentPolicy
from registry.database import mapping, tables
from registry.incidents.incident_rules import SegmentEvidence, SignalVerdict
from registry.incidents.lifecycle import Change, Transition, is_live
from registry.incidents.ordering import Moment
from registry.incidents.window_history import WindowHistory
from registry.operations import incidents
from registry.records import Incident


@dataclass(frozen=True)
class StoredIncidents:
    """The incidents of one *signal* of the version whose *windows* are stored; *now* is the time that is recorded."""

    windows: WindowHistory
    signal: Signal
    now: datetime

    @property
    def c(self) -> sa.Connection:
        """The connection of the caller's transaction."""
        return self.windows.c

    def verdicts(self, moments: Sequence[Moment], policy: IncidentPolicy) -> list[SignalVerdict]:
        """Return the verdicts needed to go through *moments*, those of the newest incident included if it may go on."""
        first = min(window.end for moment in moments for window in moment.new)
        incident = self.newest()
        goes_on = incident is not None and (is_live(incident) or first <= incident.judged_until + policy.cool_down)
        start = min(first, incident.since) if incident is not None and goes_on else first
        return self.windows.verdicts(self.signal, start, before=policy.open_after.of - 1)

    def newest(self) -> Incident | None:
        """Return the incident that was opened last."""
        return self._last(_newest())

    def before(self, incident: Incident) -> Incident | None:
        """Return the incident that was opened before *incident*."""
        return self._last(_newest().where(tables.incidents.c.id < incident.id))

    def _last(self, statement: sa.Select[Any]) -> Incident | None:
        mine = {"model": self.windows.model, "version": self.windows.version, "signal": self.signal.value}
        return next(iter(mapping.fetch(self.c, Incident, statement.params(mine))), None)

    def is_decided(self, incident: Incident) -> bool:
        """Return whether a decision about *incident* is on record."""
        return lookups.decision_about(self.c, incident.id) is not None

    def evidence(self, end: datetime | None) -> SegmentEvidence:
        """Return the evidence of the windows that end at *end*."""
        return self.windows.evidence(self.signal, end)

    def write(self, transition: Transition) -> Incident:
        """Write *transition* with its lines in the audit log and its messages; return the incident as it is then."""
        if transition.before is None:
            return self._open(transition)
        number, changed = transition.before.id, transition.changed
        if transition.change is Change.REOPENED:
            incidents.set_state(self.c, transition.before, **changed)
        elif changed:
            mapping.update(self.c, tables.incidents, tables.incidents.c.id == number, **changed)
        if transition.corrections:
            count, changes = transition.after.windows, transition.corrections
            line = self._line(transition.before, "incident.corrected", windows=count, changes=changes)
            chain.append(self.c, line)
        if transition.change is Change.REOPENED:
            self._announce(number, "incident.reopened", windows=transition.after.windows)
        elif "severity" in changed:
            self._announce(number, "incident.raised", severity=transition.after.severity.value)
        if transition.resolution:
            return incidents.close(self.c, transition.after, resolution=transition.resolution, actor=chain.SYSTEM,
                                   now=self.now)  # fmt: skip
        return transition.after

    def _open(self, transition: Transition) -> Incident:
        number: int = mapping.insert(self.c, tables.incidents, **transition.changed)
        variables = sorted({evidence.finding.variable for evidence in transition.after.evidence})
        severity = transition.after.severity.value
        return self._announce(number, "incident.opened", variables=variables, severity=severity)

    def _announce(self, number: int, action: str, **details: chain.Detail) -> Incident:
        """Log what happened to an incident, and put it into the outbox as the incident stands now."""
        incident = lookups.incident(self.c, number)
        entry = chain.append(self.c, self._line(incident, action, **details))
        outbox.add_message(self.c, entry, {"incident": incident.model_dump(mode="json")})
        return incident

    def _line(self, incident: Incident, action: str, **details: chain.Detail) -> chain.Line:
        return incidents.incident_line(incident, action, chain.SYSTEM, self.now, **details)


@cache
def _newest() -> sa.Select[Any]:
    """Return the statement that reads the newest incident of a signal; it is made once, as each window asks for it."""
    t = tables.incidents.c
    mine = (t[name] == sa.bindparam(name) for name in ("model", "version", "signal"))
    return mapping.select(Incident, *mine).order_by(t.id.desc()).limit(1)
