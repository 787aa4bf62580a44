"""What to do about an incident. Pure: the same incident in the same situation always gets the same answer.

quality                      -> REPAIR_DATA
not set to `retrain`         -> NOTHING
only single losses say so    -> a Deferral while the windows after them may still confirm it
outside the promise          -> NOTHING, unless `signals.outside_promise` is set to `retrain`
nothing to train, or with    -> NOTHING
something stands in the way  -> a Deferral with the reason, until `retrain.wait` is over, then WAIT_GIVEN_UP
else                         -> RETRAIN
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

OUTSIDE_GUARANTEE = "outside the false-alarm promise"


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
        return Decision(Action.REPAIR_DATA, (*evidence, "a broken pipeline is not drift: repair the data"))
    if barred := _barred(incident, signals):
        if retrain is not None and _may_be_confirmed(incident, signals, situation, retrain.wait):
            return Deferral("only single losses say so: a window may confirm it, as soon as it has the evidence")
        return Decision(Action.NOTHING, (*evidence, barred))
    if retrain is None or not retrain.trainers:
        return Decision(Action.NOTHING, (*evidence, "no trainer is configured: set retrain.trainer or retrain.online"))
    obstacles = tuple(_obstacles(incident, retrain, situation))
    if not obstacles:
        return Decision(Action.RETRAIN, (*evidence, f"{situation.matured_rows} matured rows to train on"))
    waited = situation.now - incident.opened_at
    if waited < retrain.wait:
        return Deferral("; ".join(obstacles))
    given_up = f"waited {format_span(waited)}, longer than retrain.wait ({format_span(retrain.wait)})"
    return Decision(Action.WAIT_GIVEN_UP, (*evidence, given_up, *obstacles))


def _barred(incident: Incident, signals: Signals) -> str:
    """Return which setting keeps the incident from retraining, nothing if none does."""
    reaction = signals.of(incident.signal)
    if reaction is not Reaction.RETRAIN:
        return f"signals.{incident.signal.value} is set to {reaction.value}"
    if _outside(incident) and signals.outside_promise is not Reaction.RETRAIN:
        return f"signals.outside_promise is set to {signals.outside_promise.value}"
    return ""


def _outside(incident: Incident) -> bool:
    """Return whether no finding of the incident keeps the false-alarm promise; one that was not asked does."""
    guaranteed = [e.finding.guaranteed for e in incident.evidence]
    return bool(guaranteed) and all(one is False for one in guaranteed)


def _may_be_confirmed(incident: Incident, signals: Signals, situation: Situation, wait: timedelta) -> bool:
    """Return whether windows may still say what only the error stream has said: a decision is made but once."""
    fast = bool(incident.evidence) and all(e.finding.variable == ERROR_STREAM for e in incident.evidence)
    may_retrain = signals.of(incident.signal) is Reaction.RETRAIN
    return fast and may_retrain and incident.steady < situation.window and situation.now - incident.opened_at < wait


def _obstacles(incident: Incident, retrain: Retrain, situation: Situation) -> Iterator[str]:
    if situation.open_quality:
        yield "an open quality incident: the data cannot be trusted yet"
    if situation.running:
        yield "a retrain is running"
    rest = _cool_down_left(retrain, situation)
    if rest > timedelta(0):
        yield f"cool-down: the last retrain was less than {format_span(retrain.cool_down)} ago"
    if situation.matured_until < incident.opened_at:
        yield "the labels of the window that opened the incident have not matured"
    if situation.matured_rows < retrain.min_rows:
        yield f"too few matured labels: {situation.matured_rows} of {retrain.min_rows} rows (retrain.min_rows)"


def _cool_down_left(retrain: Retrain, situation: Situation) -> timedelta:
    if situation.last_retrain is None:
        return timedelta(0)
    return situation.last_retrain + retrain.cool_down - situation.now


def _threshold_text(finding: Finding) -> str:
    """Return what an effect is held against: the budget of a verdict over time, or the line of a window alone."""
    if finding.sequential_note:
        return f" ({finding.sequential_note})"
    return f" > {finding.threshold:.3g}" if finding.threshold is not None else ""


def _evidence(incident: Incident) -> tuple[str, ...]:
    """Return the incident in words: what drifted, how far, in how many windows."""
    newest = incident.evidence[-1].finding if incident.evidence else None
    sentences = [
        f"{incident.signal.value} drift in {incident.windows} window(s), last seen {incident.last_seen:%Y-%m-%d %H:%M}"
    ]
    if newest and newest.effect is not None:
        sentences.append(f"{newest.metric}({newest.variable}) = {newest.effect:.3g}{_threshold_text(newest)}")
    if _outside(incident):
        sentences.append(OUTSIDE_GUARANTEE)
    return tuple(sentences)
