"""The status of a model, worst first: the same for the command line, pages, API, metrics and messages.

*Steady* are only signals that were judged. An open incident in any segment comes before a steady window of all traffic,
and before both comes that nothing can be judged because no usable record came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

import sqlalchemy as sa

from features.schema import DERIVED
from features.window import format_span, to_ms
from monitors.finding import Signal, Stage, Verdict
from monitors.profiles import side_channels
from monitors.quality.arrivals import records_set_aside
from monitors.report import Report
from monitors.signals import SIGNALS, Needs
from registry import acknowledgements, incident_words, lookups, newest_windows
from registry.connection import Registry
from registry.database import mapping, tables
from registry.records import Champion, Incident

_STAGE = {spec.signal: spec.stage for spec in SIGNALS}
_ALWAYS = tuple(spec.signal for spec in SIGNALS if spec.needs is Needs.NOTHING)
_OF_LABELS = tuple(spec.signal for spec in SIGNALS if spec.needs is Needs.OUTCOMES)
"""The signals by stage, those that every window has, and those that wait for labels."""


class ModelState(str, Enum):
    """The state of a model, from worst to best; the first three are the severity of its worst open incident.

    DRIFT: the newest window drifts without an incident. NOT_JUDGED: no signal of the inputs can be judged.
    """

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    DRIFT = "drift"
    NOT_JUDGED = "not judged"
    STEADY = "steady"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """The status of a model.

    Parameters
    ----------
    incidents
        The open incidents in words, worst first.
    drifting, steady, unjudged
        The signals that the newest windows of all traffic judged; the others, with the reason.
    set_aside
        Records of the newest window that were set aside, by reason.
    rows, window_end
        The rows and the end of the newest window of inputs.
    last_heard
        The end of the newest slice with any record in it.
    answered_by
        Another version than the champion, if it made the predictions of the newest window; "" if none did.
    """

    state: ModelState
    incidents: tuple[str, ...] = ()
    drifting: tuple[str, ...] = ()
    steady: tuple[str, ...] = ()
    unjudged: Mapping[str, str] = field(default_factory=dict)
    set_aside: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0
    window_end: datetime | None = None
    last_heard: datetime | None = None
    answered_by: str = ""

    @property
    def text(self) -> str:
        """The status in one line, worst first.

        >>> ModelStatus(ModelState.STEADY, steady=("quality", "feature"), unjudged={"performance": "no labels"}).text
        '2 of 3 signals are steady; performance cannot be judged: no labels'
        """
        return "; ".join(self.lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """The status in sentences, worst first."""
        return tuple(self._parts())

    def _parts(self) -> Iterator[str]:
        """Yield the sentences of the status, worst first; signals with one reason share a sentence."""
        if self.state is ModelState.NOT_JUDGED:
            yield f"inputs cannot be judged: {self._why()}"
        if self.answered_by:
            yield f"the newest window has predictions of {self.answered_by} and none of the champion"
        yield from self.incidents
        if self.drifting and not self.incidents:
            yield f"drift in {', '.join(self.drifting)}; no incident is open (yet)"
        if lost := sum(self.set_aside.values()):
            causes = ", ".join(f"{name} {n:,}" for name, n in self.set_aside.items())
            of = f"{lost:,} of {lost + self.rows:,} records of the newest window rejected"
            yield f"{of}, by column: {causes}; see the dead letters"
        if self.steady:
            total = len(self.steady) + len(self.drifting) + len(self.unjudged)
            share = f"all {total}" if len(self.steady) == total else f"{len(self.steady)} of {total}"
            yield f"{share} signals are steady"
        by_why: dict[str, list[str]] = {}
        for name, why in self.unjudged.items():
            by_why.setdefault(why, []).append(name)
        for why, names in by_why.items():
            if self.state is not ModelState.NOT_JUDGED or why != self._why():
                yield f"{', '.join(names)} cannot be judged: {why}"

    def _why(self) -> str:
        """Return why no signal of the inputs can be judged."""
        inputs = (self.unjudged.get(s.value) for s in (Signal.FEATURE, Signal.PREDICTION, Signal.QUALITY))
        return next(filter(None, inputs), "no window has been judged yet")

    def age(self, now: datetime) -> str:
        """Return how long before *now* the newest window ended, in words; empty before the first window."""
        return _ago(self.window_end, now)

    def heard_age(self, now: datetime) -> str:
        """Return how long before *now* the newest slice with any record in it ended, in words."""
        return _ago(self.last_heard, now)


def _ago(then: datetime | None, now: datetime) -> str:
    """Return how long ago something was, in the two largest units of time; empty for None."""
    if then is None:
        return ""
    ms = max(to_ms(now) - to_ms(then), 0)
    unit = 3_600_000 if ms >= 86_400_000 else 60_000 if ms >= 3_600_000 else 1_000
    return f"{format_span(timedelta(milliseconds=ms // unit * unit))} ago"


def read(reg: Registry, model: str) -> ModelStatus:
    """Return the status of *model*."""
    with reg.read() as c:
        return read_in(c, model)


def read_in(c: sa.Connection, model: str) -> ModelStatus:
    """Return the status of *model* in the caller's transaction."""
    live = lookups.open_incidents(c, model)
    champion = mapping.one(c, Champion, tables.champions.c.model == model)
    newest = [newest_windows.newest(c, model, champion.version, stage) for stage in Stage] if champion else [None, None]
    heard = newest_windows.last_heard(c, model, newest[0].window_end) if newest[0] else None
    seen_by = {number: a.actor for number, a in acknowledgements.by_incident(c, model).items()}
    other = newest_windows.answered_by(c, champion, newest[0]) if champion else ""
    return model_status(live, *newest, heard=heard, seen_by=seen_by, answered_by=other)


def model_status(
    live: Sequence[Incident],
    inputs: Report | None,
    outcomes: Report | None,
    *,
    heard: datetime | None = None,
    seen_by: Mapping[int, str] | None = None,
    answered_by: str = "",
) -> ModelStatus:
    """Return the status of a model.

    Parameters
    ----------
    live
        Its incidents that are not resolved.
    inputs, outcomes, heard
        The newest windows of all traffic of its champion, and the end of the newest slice with any record in it.
    seen_by
        Who acknowledged each acknowledged incident, by its number.
    answered_by
        Another version than the champion, if it made the predictions of the newest window.
    """
    acknowledged_by = seen_by or {}
    worst = sorted(live, key=lambda i: (-i.severity.rank, i.opened_at, i.id))
    by_stage = {Stage.INPUTS: inputs, Stage.OUTCOMES: outcomes}
    verdicts = {signal: _verdict(signal, by_stage[stage]) for signal, stage in _STAGE.items()}
    judged = {s: v for s, (v, _) in verdicts.items() if v not in (None, Verdict.NOT_ENOUGH)}
    unjudged = {s.value: why for s, (v, why) in verdicts.items() if why and v in (None, Verdict.NOT_ENOUGH)}
    unjudged |= _unjudged_features(inputs) if verdicts[Signal.FEATURE][0] is Verdict.STEADY else {}
    drifting = tuple(s.value for s, v in judged.items() if v is Verdict.DRIFT)
    steady = tuple(s.value for s, v in judged.items() if v is Verdict.STEADY)
    counts = inputs.counts if inputs else {}
    refused, lacking = records_set_aside(sorted(counts.keys() - {*side_channels.NAMES, *DERIVED}), counts)
    return ModelStatus(
        state=_state(worst, drifting, {s for s in judged if _STAGE[s] is Stage.INPUTS}),
        incidents=tuple(incident_words.words(i, inputs, acknowledged_by.get(i.id, "")) for i in worst),
        drifting=drifting, steady=steady, unjudged=unjudged,
        set_aside={**refused, **lacking}, rows=inputs.rows if inputs else 0,
        window_end=inputs.window_end if inputs else None, last_heard=heard, answered_by=answered_by,
    )  # fmt: skip


def _state(live: Sequence[Incident], drifting: Sequence[str], judged_inputs: set[Signal]) -> ModelState:
    if live:
        return ModelState(live[0].severity.value)
    if drifting:
        return ModelState.DRIFT
    return ModelState.STEADY if judged_inputs - {Signal.QUALITY} else ModelState.NOT_JUDGED


def _verdict(signal: Signal, report: Report | None) -> tuple[Verdict | None, str]:
    """Return the verdict of the newest window on a signal, and why there is none if one is expected."""
    findings = [f for f in report.findings if f.signal is signal] if report else []
    verdicts = {f.verdict for f in findings}
    verdict = next((v for v in (Verdict.DRIFT, Verdict.STEADY, Verdict.NOT_ENOUGH) if v in verdicts), None)
    if verdict is None:
        if signal in _OF_LABELS:
            return None, "no window with labels yet"
        why = "not computed for the newest window" if report else "no window has been judged yet"
        return None, why if signal in _ALWAYS else ""
    return verdict, next((_short(f.reason) for f in findings if f.verdict is verdict), "") or "not enough evidence"


def _unjudged_features(inputs: Report | None) -> dict[str, str]:
    """Return the features that could not be judged, where others are steady, with the first one's reason."""
    features = [f for f in inputs.findings if f.signal is Signal.FEATURE] if inputs else []
    blind = [f for f in features if f.verdict is Verdict.NOT_ENOUGH]
    names = incident_words.first([f.variable for f in blind], 3)
    return {f"{len(blind)} of {len(features)} features ({names})": _short(blind[0].reason)} if blind else {}


def _short(reason: str) -> str:
    """Return a reason without the fault that it rests on, which is a finding of its own."""
    return "the data have a quality fault" if reason.startswith("a quality fault") else reason
