"""The incidents that reports would have opened, without a registry: the same life cycle over a list in memory.

Each incident counts as decided as soon as it opens, and no decision is carried out: it ends by clearing, at the end of
the window that cleared it, and the champion stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from monitors.finding import DriftEvidence, Signal, Stage, Verdict
from monitors.report import Report
from registry.config import IncidentPolicy
from registry.incidents import incident_rules
from registry.incidents.incident_rules import SegmentEvidence, SignalVerdict
from registry.incidents.lifecycle import Observation, SignalLifecycle, Transition
from registry.records import Incident, IncidentState


class WindowVerdicts(NamedTuple):
    """What counts of a report: when and where, its verdict on each signal, and its findings that say drift."""

    end: datetime
    stage: Stage
    segment: str
    verdicts: Mapping[Signal, Verdict]
    drift: tuple[DriftEvidence, ...]


@dataclass(frozen=True, slots=True)
class ReplayedIncident:
    """An incident as it was when it *opened*, and as it stands in the end."""

    opened: Incident
    incident: Incident

    @property
    def closed(self) -> datetime | None:
        """When it was steady again; None while it goes on."""
        return self.incident.resolved_at


def window_verdicts(report: Report) -> WindowVerdicts:
    """Return what counts of *report*."""
    verdicts = incident_rules.signal_verdicts(report)
    return WindowVerdicts(report.window_end, report.stage, report.segment, verdicts, report.evidence(""))


def replayed_incidents(
    windows: Iterable[WindowVerdicts],
    policy: IncidentPolicy,
    *,
    model: str,
    version: str,
    ignored: frozenset[Signal] = frozenset(),
) -> list[ReplayedIncident]:
    """Return the incidents in all *windows* of one version, by when they opened.

    Parameters
    ----------
    windows
        What counts of each report, in any order.
    policy
        When an incident opens and ends, and how severe it is.
    model, version
        What the incidents are of.
    ignored
        Signals that open no incident.
    """
    by_end: dict[datetime, list[WindowVerdicts]] = defaultdict(list)
    for window in windows:
        by_end[window.end].append(window)
    signals = {signal for same_end in by_end.values() for window in same_end for signal in window.verdicts} - ignored
    incidents: list[ReplayedIncident] = []
    for signal in signals:
        store = MemoryStore(signal, by_end)
        _replay(SignalLifecycle(model, version, signal, policy, store), signal, by_end)
        incidents += store.incidents
    return sorted(incidents, key=lambda one: (one.opened.opened_at, one.opened.signal.value))


def _replay(life: SignalLifecycle, signal: Signal, by_end: Mapping[datetime, Sequence[WindowVerdicts]]) -> None:
    """Show a signal's windows to its life cycle, one window end after the other."""
    steps: list[SignalVerdict] = []
    for end in sorted(by_end):
        by_stage = ([w for w in by_end[end] if w.stage is stage] for stage in sorted(Stage))
        new = [verdict for windows in by_stage if windows and (verdict := step(windows, signal))]
        if new:
            steps += new
            life.observe(Observation(steps, {verdict.window for verdict in new}))


def step(windows: Sequence[WindowVerdicts], signal: Signal) -> SignalVerdict | None:
    """Return the verdict on *signal* of one window and stage from its reports of all segments; None: not judged.

    Drift in any segment is drift; a window is steady only if its report of all traffic says so, as in
    :class:`registry.incidents.window_history.WindowHistory`.
    """
    drift = any(window.verdicts.get(signal) is Verdict.DRIFT for window in windows)
    steady = any(not window.segment and window.verdicts.get(signal) is Verdict.STEADY for window in windows)
    return SignalVerdict(windows[0].end, windows[0].stage, drift) if drift or steady else None


@dataclass
class MemoryStore:
    """The incidents of one *signal* as a list: an :class:`registry.incidents.lifecycle.IncidentStore`."""

    signal: Signal
    by_end: Mapping[datetime, Sequence[WindowVerdicts]]
    incidents: list[ReplayedIncident] = field(default_factory=list)

    def newest(self) -> Incident | None:
        """Return the incident that was opened last."""
        return self.incidents[-1].incident if self.incidents else None

    def before(self, incident: Incident) -> Incident | None:
        """Return the incident that was opened before *incident*."""
        return next((one.incident for one in reversed(self.incidents) if one.incident.id < incident.id), None)

    def is_decided(self, incident: Incident) -> bool:
        """Return true: a replay decides about an incident as soon as it opens."""
        return True

    def evidence(self, end: datetime | None) -> SegmentEvidence:
        """Return the evidence of the windows that end at *end*."""
        windows = self.by_end.get(end, ()) if end else ()
        verdicts = [window.verdicts.get(self.signal) for window in windows if window.segment]
        judged = [v is Verdict.DRIFT for v in verdicts if v in (Verdict.DRIFT, Verdict.STEADY)]
        evidence = [e for window in windows for e in window.drift if e.finding.signal is self.signal]
        return SegmentEvidence(evidence, len(judged), sum(judged))

    def write(self, transition: Transition) -> Incident:
        """Append an incident that opens, or put one that changes in the place of what it was."""
        incident = transition.after
        if transition.before is None:
            opened = incident.model_copy(update={"id": len(self.incidents) + 1})
            self.incidents.append(ReplayedIncident(opened, opened))
            return opened
        if transition.resolution:
            ended = {"state": IncidentState.RESOLVED, "resolved_at": incident.judged_until}
            incident = incident.model_copy(update={**ended, "resolution": transition.resolution})
        self.incidents[-1] = replace(self.incidents[-1], incident=incident)
        return incident
