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
from monitors.quality import (
    fault_conditions,
    fault_selection,
    swapped_columns,
    unit_change,
    unit_reference,
    value_faults,
    value_reference,
    volume,
)
from monitors.quality.fault import Fault, FaultKind
from monitors.quality.router_reference import RouterReference
from monitors.stats.bins import Counts, NumericBins

Cells = Mapping[str, Sequence[int] | Counts]
MIN_PLATEAU_ROWS = 10
"""Values of a plateau below which it is not judged: it is the newest part of a window, which has more."""


def route(  # noqa: PLR0913 - a window and the parts of it that are known
    reference: RouterReference,
    window: Cells,
    policy: MonitorPolicy,
    level: float,
    *,
    newest: Cells | None = None,
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
        distinguish a step from a ramp if they reach back to before it. By default :func:`halves`.
    rows
        How the window's records arrived.
    """
    rows = rows or volume.FeedCounts()
    if newest is None or reference.slice is None:
        return fault_selection.ordered(
            _faults(_RoutedWindow(reference, _counts(reference, window), policy, recent or {}, rows), level)
        )
    recent = recent or halves(window, newest)
    whole = _faults(_RoutedWindow(reference, _counts(reference, window), policy, recent, rows), level / 2)
    latest = _faults(
        _RoutedWindow(reference.slice, _counts(reference, newest), policy, recent, rows.newest or volume.FeedCounts()),
        level / 2,
    )
    return fault_selection.ordered(fault_selection.joined(whole, latest))


def halves(window: Cells, newest: Cells) -> dict[str, Counts]:
    """Return a window as two slices: all but its newest, and that one. It is the least that *recent* needs.

    >>> halves({"x": [5, 3]}, {"x": [1, 3]})["x"].tolist()
    [[4, 0], [1, 3]]
    """
    parts = {name: (np.asarray(window[name]), np.asarray(cells)) for name, cells in newest.items() if name in window}
    return {name: np.array([every - last, last]) for name, (every, last) in parts.items()}


def findings(faults: Sequence[Fault], reference: RouterReference, window: Cells) -> dict[str, Finding]:
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
    named: dict[str, list[Fault]] = {}
    for fault in faults:
        for name in fault.variables or ("*",):
            named.setdefault(name, []).append(fault)
    by_variable, counts = {}, _counts(reference, window)
    for name, found in named.items():
        of = name if name in counts else next(iter(counts))
        finding = value_faults.finding(name, found, reference.quality[of], counts[of])
        by_variable[name] = (
            finding if name == of else finding.model_copy(update={"metrics": value_faults.by_kind(found)})
        )
    return by_variable


def _counts(reference: RouterReference, window: Cells) -> dict[str, Counts]:
    return {name: np.asarray(window.get(name, r.total * 0), dtype=np.int64) for name, r in reference.quality.items()}


@dataclass(frozen=True)
class _RoutedWindow:
    """One window with its reference, as :func:`route` has it."""

    reference: RouterReference
    counts: Mapping[str, Counts]
    policy: MonitorPolicy
    recent: Mapping[str, Counts]
    rows: volume.FeedCounts

    @cached_property
    def _apart(self) -> Mapping[str, float]:
        return self.reference.distances(self.counts)

    def is_apart(self, name: str) -> bool:
        """Return whether a variable is far from the baseline, before cells are merged: merged, none is further."""
        return self._apart[name] > unit_change.MIN_CHANGE

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
        known = [(name, r) for name, r in self.reference.quality.items() if self.is_apart(name) and _may_be_swapped(r)]
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
    each = level / 2 / max(len(window.counts) + window.rows.checks, 1)
    n = max((int(c.sum()) for c in window.counts.values()), default=0)
    own = [
        fault
        for name, reference in window.reference.quality.items()
        for fault in value_faults.faults(name, reference, window.counts[name], window.policy, each)
        if _is_mixed(fault, window)
    ]
    taken = {f.variables[0] for f in own if f.kind in {FaultKind.STUCK, FaultKind.OUT_OF_RANGE}}
    rows = volume.faults(
        window.rows, volume.VolumeReference(window.reference.total, window.reference.rows), n, window.policy, each
    )
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
    for name, reference in window.reference.numbers.items():
        if name in taken:
            continue
        stands = unit_reference.plateau(reference, np.asarray(window.recent[name])) if name in window.recent else None
        cells = stands.counts if stands else window.counts[name]
        if not (stands or window.is_apart(name)):
            continue
        line = (
            window.line(name, cells, least=MIN_PLATEAU_ROWS if stands else None)
            if unit_change.distance_from_reference(reference, cells) > unit_change.MIN_CHANGE
            else None
        )
        if line is not None and (fault := unit_change.find(name, reference, cells, line, sudden=stands)):
            yield fault
