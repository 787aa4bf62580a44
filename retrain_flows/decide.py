"""Retraining policy: the decision about one incident, as a pure function of the incident and the model's situation.

It is pure so that each decision can be made again from what is on record, with the same result. The first rule that
applies decides:

1. A data quality fault: ``REPAIR_DATA``.
2. Its signal may not retrain, or drift outside the false-alarm guarantee may not: ``NOTHING``, with the setting as the
   reason. Where only the error stream has alarmed, the decision is deferred as long as a window may still confirm it.
3. No trainer is configured: ``NOTHING``.
4. Something stands in the way (an open fault, a running retrain, the cool-down, labels that have not matured):
deferred,
   with all reasons; after ``retrain.wait``, ``WAIT_GIVEN_UP``.
5. Otherwise: ``RETRAIN``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from features.window import format_span
from monitors.finding import Finding, Signal
from monitors.profiles.side_channels import ERROR_STREAM
from monitors.signals import Reaction
from registry.records import Action, Incident
from retrain_flows.config import Retrain, Signals

OUTSIDE_GUARANTEE = "outside the false-alarm guarantee"
UNCONFIRMED = "only the error-stream detector has alarmed: waits for a whole window to confirm it"


@dataclass(frozen=True, slots=True)
class Situation:
    """The state of a model at the moment of a decision. All times are event time.

    Parameters
    ----------
    now
        The newest event time that was read.
    matured_until
        Predictions up to this time have had their label delay.
    matured_rows
        Number of matured, labelled rows in the training period.
    open_quality
        Whether a data quality incident of the model is open.
    running
        Whether a retrain of the model is running.
    last_retrain
        When the last retrain was made that ended in a promotion or a rejection; None before the first.
    window
        Slices in a window. After as many steady windows in a row no window holds the records on which the error stream
        alarmed, and none can confirm it any more.
    """

    now: datetime
    matured_until: datetime
    matured_rows: int
    open_quality: bool = False
    running: bool = False
    last_retrain: datetime | None = None
    window: int = 1


@dataclass(frozen=True, slots=True)
class Decision:
    """A final decision: the action and its reasons, evidence first. It is recorded once for each incident."""

    action: Action
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deferral:
    """No decision yet: what it waits for."""

    because: str


def decide(
    incident: Incident, *, signals: Signals, retrain: Retrain | None, situation: Situation
) -> Decision | Deferral:
    """Decide about an incident, or defer the decision.

    Parameters
    ----------
    incident
        The incident, with its evidence, oldest first.
    signals
        What each signal may trigger.
    retrain
        How challengers are trained; None where Leeway only monitors.
    situation
        The state of the model now.

    Returns
    -------
    Decision or Deferral
        A deferral lasts at the longest until ``retrain.wait`` after the incident was opened.
    """
    evidence = _evidence(incident)
    if incident.signal is Signal.QUALITY:
        return Decision(
            Action.REPAIR_DATA,
            (*evidence, "a data quality fault is not drift: repair the data, do not retrain on them"),
        )
    if barred := _barred(incident, signals):
        if retrain is not None and _may_be_confirmed(incident, signals, situation, retrain.wait):
            return Deferral(UNCONFIRMED)
        return Decision(Action.NOTHING, (*evidence, barred))
    if retrain is None or not retrain.trainers:
        return Decision(Action.NOTHING, (*evidence, "no trainer is configured: set retrain.trainer or retrain.online"))
    obstacles = tuple(_obstacles(incident, retrain, situation))
    if not obstacles:
        return Decision(Action.RETRAIN, (*evidence, f"{situation.matured_rows} matured rows to train on"))
    waited = situation.now - incident.opened_at
    if waited < retrain.wait:
        return Deferral("; ".join(obstacles))
    given_up = f"waited {format_span(waited)}, and retrain.wait allows {format_span(retrain.wait)}"
    return Decision(Action.WAIT_GIVEN_UP, (*evidence, given_up, *obstacles))


def _barred(incident: Incident, signals: Signals) -> str:
    """Return the setting that keeps the incident from retraining, as a reason; "" if none does."""
    reaction = signals.of(incident.signal)
    if reaction is not Reaction.RETRAIN:
        return f"no retrain, since signals.{incident.signal.value} is set to {reaction.value}"
    if _outside(incident) and signals.outside_promise is not Reaction.RETRAIN:
        return f"no retrain, since signals.outside_promise is set to {signals.outside_promise.value}"
    return ""


def _outside(incident: Incident) -> bool:
    """Return whether all evidence is outside the false-alarm guarantee.

    Findings without a sequential verdict (``guaranteed`` is None) count as inside.
    """
    guarantees = [e.finding.guaranteed for e in incident.evidence]
    return bool(guarantees) and all(guaranteed is False for guaranteed in guarantees)


def _may_be_confirmed(incident: Incident, signals: Signals, situation: Situation, wait: timedelta) -> bool:
    """Return whether a window may still confirm an incident that only the error stream has raised.

    Deciding earlier would be final: an incident gets one decision.
    """
    fast = bool(incident.evidence) and all(e.finding.variable == ERROR_STREAM for e in incident.evidence)
    may_retrain = signals.of(incident.signal) is Reaction.RETRAIN
    return fast and may_retrain and incident.steady < situation.window and situation.now - incident.opened_at < wait


def _obstacles(incident: Incident, retrain: Retrain, situation: Situation) -> Iterator[str]:
    """Yield each reason why a retrain must wait, so that the user can remove them all at once."""
    if situation.open_quality:
        yield "an open quality incident: the data cannot be trusted yet"
    if situation.running:
        yield "a retrain is running"
    rest = _cool_down_left(retrain, situation)
    if rest > timedelta(0):
        yield f"cool-down: the last retrain was less than {format_span(retrain.cool_down)} ago (retrain.cool_down)"
    if situation.matured_until < incident.opened_at:
        yield "the labels of the window that opened the incident have not matured yet"
    if situation.matured_rows < retrain.min_rows:
        yield f"too few matured labels: {situation.matured_rows} of {retrain.min_rows} rows (retrain.min_rows)"


def _cool_down_left(retrain: Retrain, situation: Situation) -> timedelta:
    if situation.last_retrain is None:
        return timedelta(0)
    return situation.last_retrain + retrain.cool_down - situation.now


def _threshold_text(finding: Finding) -> str:
    """Return what an effect is compared with: a sequential verdict's note, or the threshold of a single window."""
    if finding.sequential_note:
        return f" ({finding.sequential_note})"
    return f" > {finding.threshold:.3g}" if finding.threshold is not None else ""


def _evidence(incident: Incident) -> tuple[str, ...]:
    """Return the incident as reasons: what drifted, in how many windows, how far, and whether it is guaranteed."""
    newest = incident.evidence[-1].finding if incident.evidence else None
    kind = "fault" if incident.signal is Signal.QUALITY else "drift"
    windows = f"{incident.windows} window" + ("" if incident.windows == 1 else "s")
    sentences = [f"{incident.signal.value} {kind} in {windows}, last seen {incident.last_seen:%Y-%m-%d %H:%M} UTC"]
    if newest and newest.effect is not None:
        sentences.append(f"{newest.metric}({newest.variable}) = {newest.effect:.3g}{_threshold_text(newest)}")
    if _outside(incident):
        sentences.append(OUTSIDE_GUARANTEE)
    return tuple(sentences)
