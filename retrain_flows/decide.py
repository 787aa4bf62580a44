"""What to do about an incident. Pure: the same incident in the same situation always gets the same answer.

quality                      -> REPAIR_DATA
not set to `retrain`         -> NOTHING
only the error stream alarms -> a Deferral while the windows after it may still confirm it
outside the guarantee        -> NOTHING, unless `signals.outside_promise` is `retrain`
no trainer                   -> NOTHING
something stands in the way  -> a Deferral with the reason, until `retrain.wait` is over, then WAIT_GIVEN_UP
else                         -> RETRAIN
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from features.window import format_span
from monitors.finding import DriftEvidence, Signal
from monitors.profiles.side_channels import ERROR_STREAM
from monitors.signals import Reaction
from registry.records import Action, Incident
from retrain_flows.config import Retrain, Signals

OUTSIDE_GUARANTEE = "outside the false-alarm guarantee"


@dataclass(frozen=True, slots=True)
class Situation:
    """What else counts when an incident is looked at. All times are event time.

    *now* is the newest event time read. *matured_until* is the moment up to which predictions have had time to get
    their labels; *matured_rows* are the labelled rows there are to train on. *last_retrain* is when the last retrain
    was made, whatever came of it. *window* is the number of slices in a window: after as many steady windows, none of
    which has the record any more, what single losses said is left at that.
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
    """The answer, and because of what; it is written down once and never changes."""

    action: Action
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deferral:
    """No answer yet: what is being waited for."""

    because: str


def decide(
    incident: Incident, *, signals: Signals, retrain: Retrain | None, situation: Situation
) -> Decision | Deferral:
    """Return what to do about *incident*; *retrain* is None where no model is to be trained.

    A deferral ends at the latest ``retrain.wait`` after the incident was opened.
    """
    evidence = _evidence(incident)
    if incident.signal is Signal.QUALITY:
        return Decision(Action.REPAIR_DATA, (*evidence, "no retrain: the data are faulty; repair them upstream"))
    if barred := _barred(incident, signals):
        if retrain is not None and _may_be_confirmed(incident, signals, situation, retrain.wait):
            return Deferral("only the error stream has alarmed; waiting for a window to confirm it")
        return Decision(Action.NOTHING, (*evidence, barred))
    if retrain is None or not retrain.trainers:
        return Decision(Action.NOTHING, (*evidence, "no trainer is configured: set retrain.trainer or retrain.online"))
    obstacles = tuple(_obstacles(incident, retrain, situation))
    if not obstacles:
        return Decision(Action.RETRAIN, (*evidence, f"{situation.matured_rows} rows with labels to train on"))
    waited = situation.now - incident.opened_at
    if waited < retrain.wait:
        return Deferral("; ".join(obstacles))
    given_up = f"gave up after {format_span(waited)} (retrain.wait is {format_span(retrain.wait)}); still in the way: "
    return Decision(Action.WAIT_GIVEN_UP, (*evidence, given_up + "; ".join(obstacles)))


def _barred(incident: Incident, signals: Signals) -> str:
    """Return which setting keeps the incident from retraining, nothing if none does."""
    reaction = signals.of(incident.signal)
    if reaction is not Reaction.RETRAIN:
        return f"no retrain: signals.{incident.signal.value} is {reaction.value} (retrain would allow one)"
    if _outside(incident) and signals.outside_promise is not Reaction.RETRAIN:
        setting = f"signals.outside_promise: {signals.outside_promise.value}"
        return f"no retrain: the false-alarm guarantee does not cover this drift ({setting})"
    return ""


def _outside(incident: Incident) -> bool:
    """Return whether every finding is outside the false-alarm guarantee; one without a sequential verdict is not."""
    guaranteed = [e.finding.guaranteed for e in incident.evidence]
    return bool(guaranteed) and all(one is False for one in guaranteed)


def _may_be_confirmed(incident: Incident, signals: Signals, situation: Situation, wait: timedelta) -> bool:
    """Return whether windows may still say what only the error stream has said: a decision is made but once."""
    fast = bool(incident.evidence) and all(e.finding.variable == ERROR_STREAM for e in incident.evidence)
    may_retrain = signals.of(incident.signal) is Reaction.RETRAIN
    return fast and may_retrain and incident.steady < situation.window and situation.now - incident.opened_at < wait


def _obstacles(incident: Incident, retrain: Retrain, situation: Situation) -> Iterator[str]:
    if situation.open_quality:
        yield "a quality incident is still open: no training on its data"
    if situation.running:
        yield "a retrain is running"
    if situation.last_retrain is not None and situation.now < situation.last_retrain + retrain.cool_down:
        next_retrain = situation.last_retrain + retrain.cool_down
        yield f"retrain.cool_down: the next retrain is possible from {next_retrain:%Y-%m-%d %H:%M}"
    if situation.matured_until < incident.opened_at:
        yield "labels of the window that opened the incident are still due (label_delay)"
    if situation.matured_rows < retrain.min_rows:
        yield f"too few rows with labels: {situation.matured_rows} of {retrain.min_rows} (retrain.min_rows)"


def _evidence(incident: Incident) -> tuple[str, ...]:
    """Return the incident in words: what drifted or is faulty, how far, in how many windows."""
    newest = incident.evidence[-1] if incident.evidence else None
    windows = f"{incident.windows:,} window{'' if incident.windows == 1 else 's'}"
    sentences = [f"{incident.signal.value} drift in {windows}, newest ended {incident.last_seen:%Y-%m-%d %H:%M}"]
    if incident.signal is Signal.QUALITY:
        reason = newest.finding.reason if newest else ""
        sentences = [f"data fault in {windows}" + (f": {reason}" if reason else "")]
    if newest and newest.finding.effect is not None:
        sentences.append(_effect_text(newest))
    if _outside(incident):
        sentences.append(OUTSIDE_GUARANTEE)
    return tuple(sentences)


def _effect_text(evidence: DriftEvidence) -> str:
    """Return an effect with its variable and segment, and the evidence or the threshold that it is compared with."""
    finding, traffic = evidence.finding, evidence.segment or "all traffic"
    where = traffic if finding.variable == "*" else f"{finding.variable} in {traffic}"
    effect = f"{where}: effect {finding.effect:.3g} ({finding.metric})"
    if finding.sequential_note:
        return f"{effect}; {finding.sequential_note.removeprefix('drift: ')}"
    return effect if finding.threshold is None else f"{effect}, threshold {finding.threshold:.3g}"
