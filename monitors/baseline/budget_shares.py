"""Who has which part of a model's false-alarm budget: fixed by the baseline, before anything is monitored."""

from __future__ import annotations

from monitors import budget
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.finding import Signal
from monitors.signals import OF, Needs


def monitored_signals(baseline: Baseline) -> list[Signal]:
    """Return the signals that share the budget: those that the baseline has something to compare with."""
    held = {
        Needs.NOTHING: True,
        Needs.OUTCOMES: bool(baseline.outcomes),
        Needs.PROJECTION: baseline.derived.projection is not None,
        Needs.ESTIMATE: baseline.derived.estimate is not None,
    }
    return [signal for signal in Signal if held[OF[signal].needs]]


def share(baseline: Baseline, signal: Signal, segment: str) -> float:
    """Return the part of the budget that *signal* has in *segment*; one that is new counts as one more."""
    segments = {s.segment for s in baseline.inputs} - {""}
    return budget.share(signal, segment, len(segments | ({segment} - {""})), monitored_signals(baseline))


def quality_level(baseline: Baseline, policy: MonitorPolicy, segment: str) -> float:
    """Return the chance of a false fault that one variable may have in one window of *segment*.

    Faults are judged window by window, so their part of the budget is shared by all looks and, equally, by all
    variables, the label among them.
    """
    part = share(baseline, Signal.QUALITY, segment) / (len(baseline.events.variables) + 1)
    return budget.per_look(policy.false_alarms, baseline.events.windows.slide, part)
