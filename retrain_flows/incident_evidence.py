"""Evidence of an incident in sentences: what drifted or is faulty, how far, and whether the guarantee covers it."""

from __future__ import annotations

from monitors.finding import DriftEvidence, Signal
from registry.records import Incident

OUTSIDE_GUARANTEE = "outside the false-alarm guarantee"


def sentences(incident: Incident) -> tuple[str, ...]:
    """Return the incident as reasons: what drifted or is faulty, in how many windows, how far, and the guarantee."""
    newest = incident.evidence[-1] if incident.evidence else None
    windows = f"{incident.windows:,} window{'' if incident.windows == 1 else 's'}"
    parts = [f"{incident.signal.value} drift in {windows}, newest ended {incident.last_seen:%Y-%m-%d %H:%M} UTC"]
    if incident.signal is Signal.QUALITY:
        reason = newest.finding.reason if newest else ""
        parts = [f"data fault in {windows}" + (f": {reason}" if reason else "")]
    if newest and newest.finding.effect is not None:
        parts.append(_effect_text(newest))
    if is_outside(incident):
        parts.append(OUTSIDE_GUARANTEE)
    return tuple(parts)


def is_outside(incident: Incident) -> bool:
    """Return whether all evidence is outside the false-alarm guarantee.

    Findings without a sequential verdict (``guaranteed`` is None) count as inside.
    """
    guarantees = [e.finding.guaranteed for e in incident.evidence]
    return bool(guarantees) and all(guaranteed is False for guaranteed in guarantees)


def _effect_text(evidence: DriftEvidence) -> str:
    """Return an effect with its variable and segment, and the evidence or the threshold that it is compared with."""
    finding, traffic = evidence.finding, evidence.segment or "all traffic"
    where = traffic if finding.variable == "*" else f"{finding.variable} in {traffic}"
    effect = f"{where}: effect {finding.effect:.3g} ({finding.metric})"
    if finding.sequential_note:
        return f"{effect}; {finding.sequential_note.removeprefix('drift: ')}"
    return effect if finding.threshold is None else f"{effect}, threshold {finding.threshold:.3g}"
