"""The incident life cycle: windows open, update, resolve and reopen an incident of one signal of one model version.

State transitions alone, without a database and without a clock: what incidents there are and what was decided about
them comes from an :class:`IncidentStore`, and each transition is written there. The registry's store is
:mod:`registry.incidents.stored_incidents`; a replay keeps a list. When an incident opens, goes on and ends is in
:mod:`registry.incidents.incident_rules`; which moves between states are allowed is ``MOVES`` in
:mod:`registry.operations.incidents`, and ``docs/incident-lifecycle.md`` draws them.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from monitors.finding import Signal
from registry.config import IncidentPolicy
from registry.incidents import incident_rules
from registry.incidents.incident_rules import SegmentEvidence, SignalVerdict, Window
from registry.records import Incident, IncidentState

COUNTERS = frozenset({"steady", "judged_until"})
"""Fields that move with every steady window: alone they are no change worth a message."""


class Change(Enum):
    """What windows did to an incident."""

    OPENED = "opened"
    UPDATED = "updated"
    RESOLVED = "resolved"
    REOPENED = "reopened"

    def after(self, earlier: Change | None) -> Change:
        """Return what this and an *earlier* change of the same batch amount to.

        An incident that the batch opened counts as opened, whatever came then; one that it reopened and updated as
        reopened.

        >>> Change.UPDATED.after(Change.OPENED), Change.RESOLVED.after(Change.REOPENED)
        (<Change.OPENED: 'opened'>, <Change.RESOLVED: 'resolved'>)
        """
        stays = earlier is Change.OPENED or (earlier is Change.REOPENED and self is Change.UPDATED)
        return earlier if earlier is not None and stays else self


@dataclass(frozen=True, slots=True)
class Observation:
    """The windows of a signal at one moment.

    Parameters
    ----------
    verdicts
        The verdicts of all judged windows that are known by then, oldest first.
    new
        The windows that are observed for the first time.
    corrections
        The ends of windows that late data changed from drift or to drift, with the change in words.
    """

    verdicts: Sequence[SignalVerdict]
    new: Set[Window]
    corrections: Sequence[tuple[datetime, str]] = ()


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of an incident's life: *before* becomes *after*.

    Parameters
    ----------
    before
        The incident so far; None where one is opened.
    after
        The incident with its new counts. One that ends is still open here: its store knows the time at which it ends.
    corrections
        Late changes of verdicts that the incident counts, in words.
    resolution
        Why the incident ends; empty while it goes on.
    """

    before: Incident | None
    after: Incident
    corrections: tuple[str, ...] = ()
    resolution: str = ""

    @property
    def changed(self) -> dict[str, Any]:
        """The fields of *after* that differ from *before*; all but the id where the incident is opened."""
        values = {name: getattr(self.after, name) for name in Incident.model_fields if name != "id"}
        if self.before is None:
            return values
        return {name: value for name, value in values.items() if getattr(self.before, name) != value}

    @property
    def change(self) -> Change | None:
        """What it is called; None where only steady windows were counted."""
        if self.before is None:
            return Change.OPENED
        if self.resolution:
            return Change.RESOLVED
        if not is_live(self.before):
            return Change.REOPENED
        return Change.UPDATED if self.changed.keys() - COUNTERS else None


class IncidentStore(Protocol):
    """The incidents of one signal of one model version, and the evidence that its windows gave."""

    def newest(self) -> Incident | None:
        """Return the incident that was opened last."""

    def before(self, incident: Incident) -> Incident | None:
        """Return the incident that was opened before *incident*."""

    def is_decided(self, incident: Incident) -> bool:
        """Return whether a decision about *incident* is on record."""

    def evidence(self, end: datetime | None) -> SegmentEvidence:
        """Return the evidence of the windows that end at *end*; none for None."""

    def write(self, transition: Transition) -> Incident:
        """Write *transition* and return the incident as it stands then."""


@dataclass(frozen=True)
class SignalLifecycle:
    """The life cycle of the incidents of one *signal* of one model version, by a *policy*, in a *store*.

    *opens* is false for a signal that is ignored: an incident that is open goes on, and none is opened or reopened.
    *awaits_decision* is false for a model that is only monitored: nobody decides there, so incidents end without.
    """

    model: str
    version: str
    signal: Signal
    policy: IncidentPolicy
    store: IncidentStore
    opens: bool = True
    awaits_decision: bool = True

    def observe(self, observation: Observation) -> tuple[Incident, Change | None] | None:
        """Write what *observation* does, and return the incident and its change; None where it does nothing."""
        transition = self.transition(observation)
        return None if transition is None else (self.store.write(transition), transition.change)

    def transition(self, observation: Observation) -> Transition | None:
        """Return what *observation* does, without writing it."""
        newest = self.store.newest()
        if newest is not None and is_live(newest):
            return self._go_on(newest, observation)
        if not self.opens:
            return None
        if newest is not None and incident_rules.continues(newest, observation.verdicts, observation.new, self.policy):
            reopened = {"state": IncidentState.OPEN, "resolved_at": None, "resolution": ""}
            return Transition(newest, self._recounted(newest.model_copy(update=reopened), observation.verdicts))
        ends = incident_rules.opening_windows(observation.verdicts, observation.new, self.policy.open_after)
        return self._begin(ends, newest, observation.verdicts) if ends else None

    def _begin(
        self, ends: Sequence[datetime], newest: Incident | None, verdicts: Sequence[SignalVerdict]
    ) -> Transition:
        """Open the incident that the windows with the *ends* open, after the *newest* one there was."""
        since = incident_rules.first_window(ends, newest.judged_until if newest else None)
        empty = Incident(id=0, model=self.model, version=self.version, signal=self.signal,
                         severity=self.policy.severity.of(self.signal), state=IncidentState.OPEN, since=since,
                         opened_at=ends[-1], last_seen=since, judged_until=since, windows=0, evidence=())  # fmt: skip
        return Transition(None, self._recounted(empty, verdicts))

    def _go_on(self, incident: Incident, observation: Observation) -> Transition:
        since = self._since(incident, observation)
        corrections = tuple(words for end, words in observation.corrections if end >= since)
        counted = {"since": since, "corrections": incident.corrections + bool(corrections)}
        after = self._recounted(incident.model_copy(update=counted), observation.verdicts)
        return Transition(incident, after, corrections, self._resolution(after))

    def _since(self, incident: Incident, observation: Observation) -> datetime:
        """Return when a live incident begins: earlier than it did, if it also opened in a stage that comes only now."""
        ends = incident_rules.earlier_opening(incident, observation.verdicts, observation.new, self.policy.open_after)
        if not ends:
            return incident.since
        before = self.store.before(incident)
        return min(incident.since, incident_rules.first_window(ends, before.judged_until if before else None))

    def _resolution(self, incident: Incident) -> str:
        """Return why a live incident is over, nothing if it is not. One that is decided ends by clearing only."""
        cleared = incident.steady >= self.policy.clear_after
        if incident.windows and not cleared:
            return ""
        if not self.store.is_decided(incident):
            if not incident.windows:
                return incident_rules.CORRECTED
            if self.awaits_decision:
                return ""
        return incident_rules.STEADY_AGAIN if cleared else ""

    def _recounted(self, incident: Incident, verdicts: Sequence[SignalVerdict]) -> Incident:
        """Return *incident* with what follows from its windows; evidence is of the first and of the newest of them.

        The severity may rise, and never falls.
        """
        progress = incident_rules.episode_progress(verdicts, incident.since)
        first, newest = (self.store.evidence(end) for end in (progress.first, progress.last))
        severity = incident_rules.severity(self.policy.severity.of(self.signal), newest)
        return incident.model_copy(update={
            "windows": progress.windows, "steady": progress.steady,
            "last_seen": progress.last or incident.opened_at, "judged_until": progress.until or incident.opened_at,
            "evidence": (*first.findings, *(newest.findings if progress.first != progress.last else ())),
            "severity": max(severity, incident.severity, key=lambda s: s.rank),
        })  # fmt: skip


def is_live(incident: Incident) -> bool:
    """Return whether an incident has not ended."""
    return incident.state is not IncidentState.RESOLVED
