"""Retraining policy: the decision about one incident, as a pure function of the incident and the model's situation.

It is pure so that each decision can be made again from what is on record, with the same result. The first rule that
applies decides:

1. A data quality fault: ``REPAIR_DATA``. Its rows are not trained on; other incidents may still retrain.
2. Its signal may not retrain, or drift outside the false-alarm guarantee may not: ``NOTHING``, with the setting as the
   reason. Where only the error stream has alarmed, the decision is deferred as long as a window may still confirm it.
3. No trainer is configured: ``NOTHING``.
4. The drift is over: as many steady windows in a row have come as end an incident. ``NOTHING``.
5. Something stands in the way (drift outside the guarantee that has not lasted ``signals.outside_windows`` windows yet,
   a signal that rarely came with a rise of the loss where ``signals.without_loss`` is ``wait``, a running retrain, the
   cool-down, labels that have not matured): deferred, with all reasons; after ``retrain.wait``, ``WAIT_GIVEN_UP``.
6. ``retrain.decide`` is ``suggest``: ``SUGGEST``, and somebody starts the retrain by hand.
7. Otherwise: ``RETRAIN``. Where ``retrain.decide`` is ``ask``, its promotion waits for approval
   (:mod:`retrain_flows.approval`).

A decision is revised while its incident is open (:mod:`retrain_flows.reconcile`): the same rules are applied again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from features.window import format_span
from monitors.finding import Signal
from monitors.profiles.side_channels import ERROR_STREAM
from monitors.signals import Reaction
from registry.records import Action, Incident
from registry.views.loss_precedence import LossPrecedence
from retrain_flows import incident_evidence
from retrain_flows.config import Retrain, Signals

LARGE_RISE = 0.5
"""Rise of the mean loss, as a part of the baseline's, from which waiting costs more than another training."""
EARLY_SLICES = 3
"""Slices after the detection of such a rise within which a candidate would have hardly any rows of the new kind."""
UNCONFIRMED = "only the error stream has alarmed; waiting for a window to confirm it"


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
        Number of matured, labelled rows that a retrain would use, those of its evaluation period among them.
    faulty
        The stretches of event time under a data fault, start and end.
    running
        Whether a retrain of the model is running.
    last_retrain
        When the last retrain was made that trained a challenger; None before the first.
    trial
        When the newest candidate was trained whose trial is not over; None without a trial.
    trial_loss_rise
        How much the champion's loss has risen since then, as a part of what it was.
    last_failure
        When the last retrain failed; None if none has since the last that trained a challenger.
    tried
        When the newest retrain was made that trained a challenger, for whatever reason; None before the first.
    slide
        Length of a slice.
    window
        Slices in a window. After as many steady windows in a row no window holds the records on which the error stream
        alarmed, and none can confirm it any more.
    clear_after
        Steady windows in a row that end an incident (``incidents.clear_after``).
    precedence
        How often past incidents of a signal came with a rise of the loss, for the signals of which that is counted.
    """

    now: datetime
    matured_until: datetime
    matured_rows: int
    faulty: tuple[tuple[datetime, datetime], ...] = ()
    running: bool = False
    last_retrain: datetime | None = None
    trial: datetime | None = None
    trial_loss_rise: float = 0.0
    last_failure: datetime | None = None
    tried: datetime | None = None
    slide: timedelta = timedelta(0)
    window: int = 1
    clear_after: int = 3
    precedence: Mapping[Signal, LossPrecedence] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision: the action and its reasons, evidence first. It stands until what it rests on changes."""

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
        A deferral lasts at the longest until ``retrain.wait`` after the incident opened or a challenger was trained.
    """
    evidence = (*incident_evidence.sentences(incident), *_precedence(incident, situation))
    if incident.signal is Signal.QUALITY:
        return Decision(Action.REPAIR_DATA, (*evidence, "no retrain: the data are faulty; repair them upstream"))
    if barred := _barred(incident, signals):
        if retrain is not None and _may_be_confirmed(incident, signals, situation, retrain.wait):
            return Deferral(UNCONFIRMED)
        return Decision(Action.NOTHING, (*evidence, barred))
    if retrain is None or not retrain.trainers:
        return Decision(Action.NOTHING, (*evidence, "no trainer is configured: set retrain.trainer or retrain.online"))
    if incident.steady >= situation.clear_after:
        over = f"no retrain: the drift is over; the newest {incident.steady} windows are steady (incidents.clear_after)"
        return Decision(Action.NOTHING, (*evidence, over))
    rarely = _rarely(incident, signals, situation)
    lasting = (*_not_lasting(incident, signals), *_only_in_faulty(incident, situation), *rarely)
    obstacles = (*lasting, *_obstacles(incident, retrain, situation))
    if not obstacles:
        rows = f"{situation.matured_rows} rows with labels to train on"
        if retrain.decide == "suggest":
            return Decision(Action.SUGGEST, (*evidence, rows, "retrain.decide is suggest: `leeway retrain` starts it"))
        return Decision(Action.RETRAIN, (*evidence, rows))
    waited = situation.now - max(incident.opened_at, situation.tried or incident.opened_at)
    if waited < retrain.wait:
        return Deferral("; ".join(obstacles))
    given_up = f"gave up after {format_span(waited)} (retrain.wait is {format_span(retrain.wait)}); still in the way: "
    return Decision(Action.WAIT_GIVEN_UP, (*evidence, given_up + "; ".join(obstacles)))


def _barred(incident: Incident, signals: Signals) -> str:
    """Return the setting that keeps the incident from retraining, as a reason; "" if none does."""
    reaction = signals.of(incident.signal)
    if reaction is not Reaction.RETRAIN:
        return f"no retrain: signals.{incident.signal.value} is {reaction.value} (retrain would allow one)"
    if incident_evidence.is_outside(incident) and signals.outside_promise is not Reaction.RETRAIN:
        setting = f"signals.outside_promise: {signals.outside_promise.value}"
        return f"no retrain: the false-alarm guarantee does not cover this drift ({setting})"
    return ""


def _not_lasting(incident: Incident, signals: Signals) -> Iterator[str]:
    """Yield what is waited for where drift outside the guarantee has not lasted long enough."""
    if not incident_evidence.is_outside(incident) or incident.windows >= signals.outside_windows:
        return
    yield (
        f"outside the false-alarm guarantee a retrain needs {signals.outside_windows} windows of drift "
        f"(signals.outside_windows); there {'is' if incident.windows == 1 else 'are'} {incident.windows}"
    )


def _precedence(incident: Incident, situation: Situation) -> Iterator[str]:
    """Yield how often the signal came with a rise of the loss, where there are past incidents to count."""
    own = situation.precedence.get(incident.signal)
    if own is not None and own.incidents:
        yield own.text


def _rarely(incident: Incident, signals: Signals, situation: Situation) -> Iterator[str]:
    """Yield what is waited for where the signal rarely came with a rise of the loss, and the policy says to wait."""
    own = situation.precedence.get(incident.signal)
    if signals.without_loss == "wait" and own is not None and own.is_rare:
        yield f"{own.text}: labels that show a rise (signals.without_loss is wait)"


def _only_in_faulty(incident: Incident, situation: Situation) -> Iterator[str]:
    """Yield what is waited for where all windows that drifted hold rows under a data fault."""
    span = max((e.window_end - e.window_start for e in incident.evidence), default=timedelta(0))
    for start, end in situation.faulty:
        if start < incident.since and incident.last_seen <= end + span:
            yield f"seen only in windows with rows under the data fault of {start:%Y-%m-%d} to {end:%Y-%m-%d}"


def _may_be_confirmed(incident: Incident, signals: Signals, situation: Situation, wait: timedelta) -> bool:
    """Return whether a window may still confirm an incident that only the error stream has raised."""
    fast = bool(incident.evidence) and all(e.finding.variable == ERROR_STREAM for e in incident.evidence)
    may_retrain = signals.of(incident.signal) is Reaction.RETRAIN
    return fast and may_retrain and incident.steady < situation.window and situation.now - incident.opened_at < wait


def _obstacles(incident: Incident, retrain: Retrain, situation: Situation) -> Iterator[str]:
    """Yield each reason why a retrain must wait, so that the user can remove them all at once."""
    if situation.running:
        yield "a retrain is running"
    if situation.last_retrain is not None and situation.now < situation.last_retrain + retrain.cool_down:
        next_retrain = situation.last_retrain + retrain.cool_down
        yield f"retrain.cool_down: the next retrain is possible from {next_retrain:%Y-%m-%d %H:%M} UTC"
    large = _has_risen_much(incident)
    if large and situation.now < (enough := incident.since + EARLY_SLICES * situation.slide):
        yield f"few rows since the loss rose; a candidate is trained from {enough:%Y-%m-%d %H:%M} UTC"
    outdated = large and _outdated(incident, situation)
    if situation.trial is not None and not outdated and situation.now < situation.trial + retrain.evaluation:
        until = situation.trial + retrain.evaluation
        yield f"a candidate is on trial in shadow, and the next one is trained from {until:%Y-%m-%d %H:%M} UTC"
    if situation.last_failure is not None and situation.now < situation.last_failure + retrain.retry:
        retry = situation.last_failure + retrain.retry
        yield f"retrain.retry: the last retrain failed, and the next try is on {retry:%Y-%m-%d %H:%M} UTC"
    if situation.matured_until < incident.opened_at:
        yield "labels of the window that opened the incident are still due (label_delay)"
    if situation.matured_rows < retrain.min_rows:
        yield f"too few rows with labels: {situation.matured_rows} of {retrain.min_rows} (retrain.min_rows)"


def _outdated(incident: Incident, situation: Situation) -> bool:
    """Return whether the candidate on trial is older than the drift, or than a large part of it (gradual drift)."""
    older = situation.trial is not None and incident.since > situation.trial
    return older or situation.trial_loss_rise >= LARGE_RISE


def _has_risen_much(incident: Incident) -> bool:
    """Return whether the loss has risen so much that waiting costs more than another training."""
    newest = incident.evidence[-1].finding if incident.evidence else None
    return incident.signal is Signal.PERFORMANCE and newest is not None and (newest.effect or 0) >= LARGE_RISE
