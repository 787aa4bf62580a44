"""The life of an incident between its opening and its resolution, as windows come in and are corrected.

What an episode is, :mod:`registry.incidents.incident_rules` says from the stored windows; here that is written down and
told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa

from monitors.report import Signal
from registry import lookups, outbox
from registry.audit_log import chain
from registry.config import IncidentPolicy
from registry.database import mapping, tables
from registry.incidents import incident_rules
from registry.incidents.incident_rules import EpisodeProgress, SignalVerdict
from registry.incidents.ordering import ReplayMoment
from registry.incidents.window_history import WindowHistory
from registry.operations import incidents
from registry.records import Incident, IncidentState


class Change(Enum):
    """What windows did to an incident."""

    OPENED = "opened"
    UPDATED = "updated"
    RESOLVED = "resolved"
    REOPENED = "reopened"

    def after(self, earlier: Change | None) -> Change:
        """Return what this and an *earlier* change come to: what a batch opened, it opened, whatever came then."""
        stays = earlier is Change.OPENED or (earlier is Change.REOPENED and self is Change.UPDATED)
        return earlier if earlier is not None and stays else self


@dataclass(frozen=True)
class LifecycleRules:
    """When an episode begins and ends; a signal in *ignore* begins none. *now* is the time that is recorded."""

    ignore: frozenset[Signal]
    policy: IncidentPolicy
    now: datetime


@dataclass(frozen=True)
class SignalHistory:
    """One signal of one model version, and what its windows say of it, as far back as its episode needs."""

    trail: WindowHistory
    signal: Signal
    steps: Sequence[SignalVerdict]
    rules: LifecycleRules

    @property
    def c(self) -> sa.Connection:
        """The connection to read and write with."""
        return self.trail.c


def signal_history(
    trail: WindowHistory, signal: Signal, some: Sequence[ReplayMoment], rules: LifecycleRules
) -> SignalHistory:
    """Return *signal* of the *trail*'s version with the windows that are needed to go through *some* moments."""
    first = min(window.end for moment in some for window in moment.new)
    incident = _newest(trail, signal)
    goes_on = incident is not None and (_is_live(incident) or first <= incident.judged_until + rules.policy.cool_down)
    start = min(first, incident.since) if incident is not None and goes_on else first
    return SignalHistory(trail, signal, trail.steps(signal, start, before=rules.policy.open_after.of - 1), rules)


def observe(thread: SignalHistory, moment: ReplayMoment) -> dict[int, Change]:
    """Show *moment*'s windows to the episode of the thread's signal; return what that did to which incident."""
    incident, steps = _newest(thread.trail, thread.signal), moment.visible(thread.steps)
    policy = thread.rules.policy
    if incident is not None and _is_live(incident):
        return _go_on(thread, incident, steps, moment)
    if thread.signal in thread.rules.ignore:
        return {}
    if incident is not None and incident_rules.continues(incident, steps, moment.new, policy):
        return _reopen(thread, incident, incident_rules.episode_progress(steps, incident.since))
    if begun := incident_rules.opening(steps, moment.new, policy.open_after):
        since = incident_rules.beginning(begun, incident.judged_until if incident else None)
        return _begin(thread, incident_rules.episode_progress(steps, since), since=since, opened_at=begun[-1])
    return {}


def _newest(trail: WindowHistory, signal: Signal, before: Incident | None = None) -> Incident | None:
    t = tables.incidents.c
    mine = mapping.select(Incident, t.model == trail.model, t.version == trail.version, t.signal == signal)
    older = mine if before is None else mine.where(t.id < before.id)
    return next(iter(mapping.fetch(trail.c, Incident, older.order_by(t.id.desc()).limit(1))), None)


def _is_live(incident: Incident) -> bool:
    return incident.state is not IncidentState.RESOLVED


def _begin(
    thread: SignalHistory, course: EpisodeProgress, *, since: datetime, opened_at: datetime
) -> dict[int, Change]:
    values = _standing(thread, course, opened_at)
    number: int = mapping.insert(thread.c, tables.incidents, model=thread.trail.model, version=thread.trail.version,
                              signal=thread.signal, state=IncidentState.OPEN, since=since, opened_at=opened_at,
                              **values)  # fmt: skip
    away = sorted({e["variable"] for e in values["evidence"]})
    _tell(thread, number, "incident.opened", variables=away, severity=values["severity"].value)
    return {number: Change.OPENED}


def _go_on(
    thread: SignalHistory, incident: Incident, steps: Sequence[SignalVerdict], moment: ReplayMoment
) -> dict[int, Change]:
    since = _since(thread, incident, steps, moment)
    course = incident_rules.episode_progress(steps, since)
    flips = [flip.words for flip in moment.flips if flip.end >= since]
    changed = _update(thread, incident, course, since=since, corrections=incident.corrections + bool(flips))
    if flips:
        line = _line(thread, incident, "incident.corrected", windows=course.windows, changes=flips)
        chain.append(thread.c, line)
    if "severity" in changed:
        _tell(thread, incident.id, "incident.raised", severity=changed["severity"].value)
    if resolution := _end(thread, incident, course):
        now = thread.rules.now
        incidents.close(thread.c, incident, resolution=resolution, actor=chain.SYSTEM, now=now)
        return {incident.id: Change.RESOLVED}
    return {incident.id: Change.UPDATED} if changed.keys() - {"steady", "judged_until"} else {}


def _since(thread: SignalHistory, incident: Incident, steps: Sequence[SignalVerdict], moment: ReplayMoment) -> datetime:
    """Return when a live *incident* begins: earlier than it did, if it also opened in a stage that comes only now."""
    begun = incident_rules.earlier(incident, steps, moment.new, thread.rules.policy.open_after)
    if not begun:
        return incident.since
    before = _newest(thread.trail, thread.signal, before=incident)
    return min(incident.since, incident_rules.beginning(begun, before.judged_until if before else None))


def _end(thread: SignalHistory, incident: Incident, course: EpisodeProgress) -> str:
    """Return why the episode is over, nothing if it is not. One that is decided ends by clearing only."""
    if course.windows and course.steady < thread.rules.policy.clear_after:
        return ""
    if lookups.decision_about(thread.c, incident.id) is None:
        return "" if course.windows else incident_rules.CORRECTED
    return incident_rules.STEADY_AGAIN if course.steady >= thread.rules.policy.clear_after else ""


def _reopen(thread: SignalHistory, incident: Incident, course: EpisodeProgress) -> dict[int, Change]:
    _update(thread, incident, course, state=IncidentState.OPEN, resolved_at=None, resolution="")
    _tell(thread, incident.id, "incident.reopened", windows=course.windows)
    return {incident.id: Change.REOPENED}


def _update(thread: SignalHistory, incident: Incident, course: EpisodeProgress, **more: Any) -> dict[str, Any]:
    """Write how the episode stands; return what that changed. The severity may rise, and never falls."""
    values = {**_standing(thread, course, incident.opened_at), **more}
    values["severity"] = max(values["severity"], incident.severity, key=lambda s: s.rank)
    changed = {name: value for name, value in values.items() if getattr(incident, name) != value}
    if changed:
        mapping.update(thread.c, tables.incidents, tables.incidents.c.id == incident.id, **changed)
    return changed


def _standing(thread: SignalHistory, course: EpisodeProgress, opened_at: datetime) -> dict[str, Any]:
    """Return an episode's columns that follow from its *course*; evidence is of the first and the newest window."""
    first, newest = (thread.trail.breadth(thread.signal, end) for end in (course.first, course.last))
    base = thread.rules.policy.severity.of(thread.signal)
    return {
        "windows": course.windows,
        "steady": course.steady,
        "last_seen": course.last or opened_at,
        "judged_until": course.until or opened_at,
        "evidence": [*first.findings, *(newest.findings if course.first != course.last else ())],
        "severity": incident_rules.severity(base, newest),
    }


def _tell(thread: SignalHistory, number: int, action: str, **details: chain.Detail) -> None:
    """Log what happened to an incident, and put it into the outbox as the incident stands now."""
    incident = lookups.incident(thread.c, number)
    entry = chain.append(thread.c, _line(thread, incident, action, **details))
    outbox.tell(thread.c, entry, {"incident": incident.model_dump(mode="json")})


def _line(thread: SignalHistory, incident: Incident, action: str, **details: chain.Detail) -> chain.Line:
    return incidents.line(incident, action, chain.SYSTEM, thread.rules.now, **details)
