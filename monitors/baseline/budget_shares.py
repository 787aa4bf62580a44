"""Budget shares of a baseline: which part of the false-alarm budget each signal and segment has.

They follow from the baseline alone, before anything is monitored, so that the rates of all detectors add up to the
budget.
"""

from __future__ import annotations

from monitors import budget
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.finding import Signal
from monitors.signals import SPECS, Needs


def monitored_signals(baseline: Baseline) -> list[Signal]:
    """Return the signals that share the budget: those that the baseline has something to compare with."""
    available = {
        Needs.NOTHING: True,
        Needs.OUTCOMES: bool(baseline.outcomes),
        Needs.PROJECTION: baseline.derived.projection is not None,
        Needs.ESTIMATE: baseline.derived.estimate is not None,
    }
    return [signal for signal in Signal if available[SPECS[signal].needs]]


def share(baseline: Baseline, signal: Signal, segment: str) -> float:
    """Return the part of the budget, 0 to 1, that a signal has in a segment ("" is all traffic).

    A segment that the baseline has not seen counts as one more.
    """
    segments = (baseline.segments | {segment}) - {""}
    return budget.share(signal, segment, len(segments), monitored_signals(baseline))


def quality_level(baseline: Baseline, policy: MonitorPolicy, segment: str) -> float:
    """Return the level of the fault checks of one variable in one window of *segment*: the chance of a false fault.

    Faults are judged window by window, without evidence over time, so their part of the budget is shared by all windows
    and, equally, by all variables, the label among them.
    """
    part = share(baseline, Signal.QUALITY, segment) / (len(baseline.events.variables) + 1)
    return budget.per_look(policy.false_alarms, baseline.events.windows.slide, part)
