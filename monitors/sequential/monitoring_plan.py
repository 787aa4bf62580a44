"""Monitoring plan and its state: the groups of variables that share a budget, and where each is between steady and
drift.

All of it is values. How a state follows from the one before and a report is :mod:`monitors.sequential.monitor`; how a
plan is made of a baseline and a policy is :mod:`monitors.verdicts.plan`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from monitors.finding import Signal
from monitors.sequential import panel
from monitors.stats.distance import Distances


@dataclass(frozen=True, eq=False)
class BudgetGroup:
    """The variables of one signal that are added up against one part of the false-alarm budget.

    Parameters
    ----------
    signal
        The signal that they are variables of.
    panel
        Their fitted detectors.
    stride
        How many slices are merged into one of the panel's.
    share
        Their part of the model's false-alarm budget, 0 to 1.
    weights
        The weight of every variable's e-detector, (variables,); 1 together.
    evidence_required
        What the weighted sum of e-detectors has to reach.
    min_effect
        The smallest effect (distance, or relative rise of a loss) that may raise an alarm.
    """

    signal: Signal
    panel: panel.Panel
    stride: int
    share: float
    weights: Distances
    evidence_required: float
    min_effect: float


@dataclass(frozen=True, eq=False)
class MonitoringPlan:
    """What is monitored of one model version, segment and stage, fitted to its baseline.

    Parameters
    ----------
    groups
        The groups of variables, each with its part of the budget.
    reference_end
        The end of the baseline's period, in milliseconds since the epoch: slices that start before it are not judged.
    slide
        Milliseconds that a slice lasts.
    window
        Slices that a window has.
    budget_text
        The false-alarm budget in words, for notes.
    """

    groups: tuple[BudgetGroup, ...]
    reference_end: int
    slide: int
    window: int
    budget_text: str


@dataclass(frozen=True)
class DriftState:
    """Where one variable is between steady and drift.

    Parameters
    ----------
    drift_since
        The start of the slice in which its drift was found, in milliseconds since the epoch; None while it is steady.
    guaranteed
        Whether the false-alarm guarantee covers that drift.
    windows_over
        While steady: the windows in a row, up to the newest, whose effect was above its threshold.
    windows_clear
        In drift: the windows in a row, up to the newest, whose interval reached below the minimum effect.
    """

    drift_since: int | None = None
    guaranteed: bool = True
    windows_over: int = 0
    windows_clear: int = 0


@dataclass(frozen=True, eq=False)
class GroupState:
    """The state of a group: its panel's, and the counts that wait until all slices to be merged are there.

    Those are of the merged slice that starts at *start*, in milliseconds since the epoch.
    """

    panel_state: panel.PanelState
    start: int = 0
    waiting_counts: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class MonitorState:
    """The state of a monitoring plan after some reports.

    Parameters
    ----------
    groups
        The state of every group, in the plan's order.
    drift_states
        Where each variable is, by signal and name; one that is absent is steady.
    first_slice
        The start of the first slice that was judged, in milliseconds since the epoch; None before there was any.
    last_slice
        The start of the newest one.
    """

    groups: tuple[GroupState, ...]
    drift_states: Mapping[tuple[Signal, str], DriftState] = field(default_factory=dict)
    first_slice: int | None = None
    last_slice: int | None = None

    def begun_anew(self, initial: MonitorState) -> MonitorState:
        """Return the *initial* state of a renewed baseline's plan for this series, which is as old as it was."""
        return replace(initial, first_slice=self.first_slice, last_slice=self.last_slice)
