"""Fault router: decides whether a window differs by a broken pipeline (fault) or by a change of the world (drift).

Only drift may start a retrain. :func:`route` returns a window's faults with their evidence; a difference without a
fault is drift. It uses counts only and prefers drift where both look alike; what counts cannot distinguish is in the
docstrings of :mod:`monitors.quality.value_faults`, :mod:`monitors.quality.unit_change` and
:mod:`monitors.quality.swapped_columns`. Rates: docs/statistics/router.md.

A fault that began within the window is a mixture there, so the newest slice is routed as well: nulls in 30 % of the
rows, garbage or a stuck value in a seventh of a window are found on the first day, and by the window alone not before
the second or the seventh.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitors.config import MonitorPolicy
from monitors.finding import Finding
from monitors.profiles import value_hashes
from monitors.quality import (
    fault_conditions,
    fault_selection,
    swapped_columns,
    unit_change,
    unit_reference,
    value_faults,
    value_reference,
    volume,
    window_halves,
)
from monitors.quality.fault import Fault, FaultKind
from monitors.quality.router_reference import RouterReference
from monitors.stats.bins import Counts, NumericBins
from monitors.stats.stacked_counts import CountsByVariable

MIN_PLATEAU_ROWS = 10
"""Values of a plateau below which it is not judged: it is the newest part of a window, which has more."""


def route(  # noqa: PLR0913 - a window and the parts of it that are known
    reference: RouterReference,
    window: CountsByVariable,
    policy: MonitorPolicy,
    level: float,
    *,
    newest: CountsByVariable | None = None,
    recent: Mapping[str, Counts] | None = None,
    rows: volume.FeedCounts | None = None,
) -> tuple[Fault, ...]:
    """Return the faults of one window, by kind and variable.

    Half of the level is shared by the checks of each variable and of the rows, half by the distances that the other
    checks start from. With the newest slice, that and the window have half each.

    Parameters
    ----------
    reference
        The baseline's reference.
    window
        Counts by variable, (cells,); a variable that is absent counts as nothing.
    policy
        The monitoring policy.
    level
        Probability of any fault in a window that is like the baseline.
    newest
        Counts of the window's newest slice.
    recent
        Consecutive slices by variable, (slices, cells), newest last: the window's, and better some before it. They
        distinguish a step from a ramp if they reach back to before it. By default :func:`.window_halves.halves`.
    rows
        How the window's records arrived.
    """
    rows, flat = rows or volume.FeedCounts(), reference.cells.flat(window)
    sums = value_hashes.of_window(reference.hashed, window)
    if newest is None or reference.slice is None:
        stepping = frozenset(recent or ())
        return fault_selection.ordered(
            _faults(_RoutedWindow(reference, flat, policy, recent or {}, stepping, rows, sums), level)
        )
    last = reference.cells.flat(newest)
    stepping = frozenset(recent or reference.step_screen.steps(flat - last, last) & window.keys() & newest.keys())
    recent = recent or window_halves.halves(window, newest)
    whole = _faults(_RoutedWindow(reference, flat, policy, recent, stepping, rows, sums), level / 2)
    own, sums = rows.newest or volume.FeedCounts(), value_hashes.of_window(reference.hashed, newest)
    latest = _faults(_RoutedWindow(reference.slice, last, policy, recent, stepping, own, sums), level / 2)
    return fault_selection.ordered(fault_selection.joined(whole, latest))


def findings(faults: Sequence[Fault], reference: RouterReference, window: CountsByVariable) -> dict[str, Finding]:
    """Return one quality finding for each variable with faults; faults of the rows have the variable ``*``.

    Parameters
    ----------
    faults
        The window's faults.
    reference
        The baseline's reference.
    window
        Counts by variable, (cells,).
    """
    if not faults:
        return {}
    named: dict[str, list[Fault]] = {}
    for fault in faults:
        for name in fault.variables or ("*",):
            named.setdefault(name, []).append(fault)
    by_variable, counts = {}, reference.cells.by_variable(reference.cells.flat(window))
    for name, found in named.items():
        of = name if name in counts else next(iter(counts))
        finding = value_faults.finding(name, found, reference.quality[of], counts[of])
        by_variable[name] = (
            finding if name == of else finding.model_copy(update={"metrics": value_faults.by_kind(found)})
        )
    return by_variable


@dataclass(frozen=True)
class _RoutedWindow:
    """One window with its reference, as :func:`route` has it.

    *stepping* are numbers that may stand on a plateau; *sums* those of the hashes of each number, where they are known.
    """

    reference: RouterReference
    flat: Counts
    policy: MonitorPolicy
    recent: Mapping[str, Counts]
    stepping: frozenset[str]
    rows: volume.FeedCounts
    sums: Mapping[str, Counts]

    @cached_property
    def counts(self) -> Mapping[str, Counts]:
        """The window's counts by variable, (cells,)."""
        return self.reference.cells.by_variable(self.flat)

    @cached_property
    def _apart(self) -> Mapping[str, float]:
        return self.reference.distances(self.flat)

    @cached_property
    def far(self) -> list[str]:
        """The variables far from the baseline, before cells are merged: merged, none is further."""
        return [name for name, distance in self._apart.items() if distance > unit_change.MIN_CHANGE]

    def line(self, name: str, cells: Counts, least: int | None = None) -> float | None:
        """Return the distance that chance, or a window of the baseline, reaches; None if there are too few values.

        Too few are fewer than *least*, by default the policy's minimum of rows. It is not the threshold of drift, which
        grows beyond all distances where the baseline's windows differ much: a change of unit is recognised by more than
        a distance.
        """
        present, reference = (
            value_reference.present_cells(self.reference.quality[name].bins),
            self.reference.drift[name],
        )
        n = int(cells[present].sum())
        if n < (least or self.policy.min_rows) or reference.rows < self.policy.min_rows:
            return None
        line = reference.threshold(n)
        return max(line.sampling, line.historical)

    def changed(self) -> dict[str, swapped_columns.Column]:
        """Return the variables that are far from their baseline, and further than chance reaches."""
        known = [(name, r) for name in self.far if _may_be_swapped(r := self.reference.quality[name])]
        columns = {name: swapped_columns.Column(r.bins, r.total, self.counts[name]) for name, r in known}
        far = {name: apart for name, c in columns.items() if (apart := c.distance) > unit_change.MIN_CHANGE}
        lines = {name: self.line(name, self.counts[name]) for name in far}
        return {name: columns[name] for name, line in lines.items() if line is not None and far[name] > line}


def _may_be_swapped(reference: value_reference.ValueReference) -> bool:
    """Return whether a column varies enough to be recognised: no constant, no flag as a number, no daily value."""
    traits = reference.traits
    flag = isinstance(reference.bins, NumericBins) and traits.distinct_values <= 2
    return not (flag or traits.is_constant or traits.is_constant_within_slices)


def _faults(window: _RoutedWindow, level: float) -> list[Fault]:
    """Return the faults of a window that no other fault explains."""
    quality = window.reference.quality
    each = level / 2 / max(len(quality) + window.rows.checks, 1)
    n = int(window.reference.cells.rows(window.flat).max(initial=0))
    own = [
        fault
        for name in window.reference.value_screen.suspects(window.flat, window.policy)
        for fault in value_faults.faults(
            name, quality[name], window.counts[name], window.policy, each, window.sums.get(name)
        )
        if _is_mixed(fault, window)
    ]
    taken = {f.variables[0] for f in own if f.kind in {FaultKind.STUCK, FaultKind.OUT_OF_RANGE}}
    rows = volume.faults(window.rows, window.reference.volume, n, window.policy, each)
    return list(
        fault_selection.unexplained(
            [*swapped_columns.find(window.changed()), *own, *_unit_changes(window, taken), *rows]
        )
    )


def _is_mixed(fault: Fault, window: _RoutedWindow) -> bool:
    """Return whether the newest slice has good values beside the far ones, where that can be seen.

    A window in which the former came first and the latter later shows a change, not placeholders.
    """
    (name,) = fault.variables
    if fault.kind is not FaultKind.OUT_OF_RANGE or name not in window.recent:
        return True
    bins, newest = window.reference.quality[name].bins, window.recent[name][-1]
    good, values = newest[: bins.body].sum(), newest[value_reference.present_cells(bins)].sum()
    return bool(not values or good >= fault_conditions.MIN_GOOD_SHARE * values)


def _unit_changes(window: _RoutedWindow, taken: set[str]) -> Iterator[Fault]:
    """Yield the unit changes of numbers that are not *taken*; none where the policy allows any share out of range."""
    if window.policy.max_out_of_range >= 1:
        return
    looked_at = window.stepping.union(window.far) - taken
    for name in (name for name in window.reference.numbers if name in looked_at):
        reference = window.reference.numbers[name]
        stands = unit_reference.plateau(reference, np.asarray(window.recent[name])) if name in window.recent else None
        cells = stands.counts if stands else window.counts[name]
        if not (stands or name in window.far):
            continue
        line = (
            window.line(name, cells, least=MIN_PLATEAU_ROWS if stands else None)
            if unit_change.distance_from_reference(reference, cells) > unit_change.MIN_CHANGE
            else None
        )
        if line is not None and (
            fault := unit_change.find(
                name, reference, cells, line, sudden=stands, one_slice=window.reference.slice is None
            )
        ):
            yield fault
