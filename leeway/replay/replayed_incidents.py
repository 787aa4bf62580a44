"""The incidents that reports would have opened, without a registry, as :mod:`registry.incidents.lifecycle` has them.

Each is taken to be decided as soon as it opens, and no decision is carried out: an episode ends by clearing, and the
champion stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from features.window import UTC
from monitors.report import Finding, Report, Signal, Stage, Verdict
from registry.config import IncidentPolicy
from registry.incidents import incident_rules
from registry.incidents.incident_rules import SegmentEvidence, SignalVerdict
from registry.records import Incident, IncidentState


class WindowVerdicts(NamedTuple):
    """What counts of a report: when and where, its verdict on each signal, and its findings that say drift."""

    end: datetime
    stage: Stage
    segment: str
    told: Mapping[Signal, Verdict]
    drift: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class ReplayedIncident:
    """An episode: the incident when it *opened*, and as it stands in the end; *closed* is None while it goes on."""

    opened: Incident
    incident: Incident

    @property
    def closed(self) -> datetime | None:
        """When it was steady again."""
        return self.incident.resolved_at


def window_verdicts(report: Report) -> WindowVerdicts:
    """Return what counts of *report*."""
    return WindowVerdicts(
        report.window_end, report.stage, report.segment, incident_rules.signal_verdicts(report), report.drifted()
    )


def replayed_incidents(
    found: Iterable[WindowVerdicts],
    policy: IncidentPolicy,
    *,
    model: str,
    version: str,
    ignored: frozenset[Signal] = frozenset(),
) -> list[ReplayedIncident]:
    """Return the episodes in all that was *found* of one version, in whatever order, by when they opened."""
    by_end: dict[datetime, list[WindowVerdicts]] = defaultdict(list)
    for one in found:
        by_end[one.end].append(one)
    signals = sorted({s for some in by_end.values() for one in some for s in one.told} - ignored)
    of = (_Signal(model, version, signal, policy, by_end).alarms() for signal in signals)
    return sorted((a for some in of for a in some), key=lambda a: (a.opened.opened_at, a.opened.signal))


def step(found: Sequence[WindowVerdicts], signal: Signal) -> SignalVerdict | None:
    """Return what one window's reports, of all segments, say of *signal*.

    As :class:`registry.incidents.window_history.WindowHistory` has it.
    """
    drift = any(one.told.get(signal) is Verdict.DRIFT for one in found)
    steady = any(not one.segment and one.told.get(signal) is Verdict.STEADY for one in found)
    return SignalVerdict(found[0].end, found[0].stage, drift) if drift or steady else None


@dataclass(frozen=True)
class _Signal:
    """One signal of one version, and all that was said by the end of the window."""

    model: str
    version: str
    signal: Signal
    policy: IncidentPolicy
    by_end: Mapping[datetime, Sequence[WindowVerdicts]]

    def alarms(self) -> list[ReplayedIncident]:
        steps: list[SignalVerdict] = []
        done: list[ReplayedIncident] = []
        for end in sorted(self.by_end):
            new = [s for _, some in groupby(sorted(self.by_end[end], key=_stage), _stage) if (s := self._step(some))]
            if not new:
                continue
            steps += new
            last = done[-1] if done else None
            if last and last.closed is None:
                done[-1] = replace(last, incident=self._go_on(last.incident, steps))
            elif last and incident_rules.continues(last.incident, steps, {s.window for s in new}, self.policy):
                done[-1] = replace(last, incident=self._go_on(_reopened(last.incident), steps))
            elif begun := incident_rules.opening(steps, {s.window for s in new}, self.policy.open_after):
                done.append(self._begin(begun, steps, last))
        return done

    def _step(self, found: Iterable[WindowVerdicts]) -> SignalVerdict | None:
        return step(list(found), self.signal)

    def _begin(
        self, begun: Sequence[datetime], steps: Sequence[SignalVerdict], before: ReplayedIncident | None
    ) -> ReplayedIncident:
        since = incident_rules.beginning(begun, before.incident.judged_until if before else None)
        none = Incident(id=0, model=self.model, version=self.version, signal=self.signal,
                        severity=self.policy.severity.of(self.signal), state=IncidentState.OPEN, since=since,
                        opened_at=begun[-1], last_seen=since, judged_until=since, windows=0, evidence=[])  # fmt: skip
        opened = self._standing(none, steps)
        return ReplayedIncident(opened, opened)

    def _go_on(self, incident: Incident, steps: Sequence[SignalVerdict]) -> Incident:
        now = self._standing(incident, steps)
        if now.steady < self.policy.clear_after:
            return now
        done = {
            "state": IncidentState.RESOLVED,
            "resolved_at": now.judged_until,
            "resolution": incident_rules.STEADY_AGAIN,
        }
        return now.model_copy(update=done)

    def _standing(self, incident: Incident, steps: Sequence[SignalVerdict]) -> Incident:
        course = incident_rules.episode_progress(steps, incident.since)
        first, newest = (self._breadth(end) for end in (course.first, course.last))
        now = incident_rules.severity(self.policy.severity.of(self.signal), newest)
        return incident.model_copy(update={
            "windows": course.windows, "steady": course.steady, "last_seen": course.last or incident.opened_at,
            "judged_until": course.until or incident.opened_at,
            "evidence": [*first.findings, *(newest.findings if course.first != course.last else ())],
            "severity": max(now, incident.severity, key=lambda s: s.rank),
        })  # fmt: skip

    def _breadth(self, end: datetime | None) -> SegmentEvidence:
        some = self.by_end.get(end, ()) if end else ()
        verdicts = [one.told.get(self.signal) for one in some if one.segment]
        judged = [v is Verdict.DRIFT for v in verdicts if v in (Verdict.DRIFT, Verdict.STEADY)]
        return SegmentEvidence([item for one in some for item in self._evidence(one)], len(judged), sum(judged))

    def _evidence(self, one: WindowVerdicts) -> list[dict[str, Any]]:
        where = {"segment": one.segment, "stage": one.stage.value, "window_end": one.end.astimezone(UTC).isoformat()}
        return [{**f.model_dump(mode="json"), **where} for f in one.drift if f.signal is self.signal]


def _stage(one: WindowVerdicts) -> Stage:
    return one.stage


def _reopened(incident: Incident) -> Incident:
    return incident.model_copy(update={"state": IncidentState.OPEN, "resolved_at": None, "resolution": ""})
