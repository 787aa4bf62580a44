"""The router: a broken pipeline, or a change of the world? Only the second may start a retrain.

:func:`route` names the faults of one window with their evidence; what drifts without a fault is drift. It knows counts
only, and leans to drift where both would look alike: the docstrings of :mod:`monitors.quality.value_faults`,
:mod:`monitors.quality.unit_change` and :mod:`monitors.quality.swapped_columns` say what cannot be told. `python -m
benchmarks.router` measures all of it.

A fault that began within the window is a mixture of two worlds there, so the newest slice is routed as well: a
seventh of a window with nulls in 30 % of its rows, garbage or a stuck value is told on its first day, and by the window
alone not before the second or the seventh.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitors.config import MonitorPolicy
from monitors.finding import Finding
from monitors.quality import rescaling, swapped_columns, unit_change, value_faults, volume
from monitors.quality.fault import Fault, FaultKind
from monitors.stats import threshold
from monitors.stats.bins import CategoricalBins, Counts, NumericBins

Cells = Mapping[str, Sequence[int] | Counts]
_EXPLAINS = {
    FaultKind.COLUMN_SWAP: set(FaultKind) - {FaultKind.COLUMN_SWAP},
    FaultKind.UNIT_CHANGE: {FaultKind.OUT_OF_RANGE},
}
"""The faults of a variable that another fault of it explains: they are not told beside it."""


@dataclass(frozen=True, eq=False)
class RouterReference:
    """What a baseline says about its variables, for windows of one length: made once by :func:`router_reference`.

    *numbers* are the numeric variables with more than one value, *rows* those of each window-length run. *slice* is the
    same for windows of one slice; None if that is what this is.
    """

    quality: Mapping[str, value_faults.ValueReference]
    drift: Mapping[str, threshold.ReferenceWindows]
    numbers: Mapping[str, unit_change.UnitReference]
    rows: Counts
    slice: RouterReference | None

    @property
    def total(self) -> int:
        """The rows of the whole baseline."""
        return max((int(r.total.sum()) for r in self.quality.values()), default=0)


def router_reference(
    bins: Mapping[str, NumericBins | CategoricalBins], slices: Mapping[str, Counts], *, length: int, level: float
) -> RouterReference:
    """Return what is known from each variable's *slices* (slices, all cells), for windows of *length* slices.

    *level* is that of a window, as :func:`route` takes it.
    """
    newest = router_reference(bins, slices, length=1, level=level / 2) if length > 1 else None
    runs = {name: threshold.runs(s, length) for name, s in slices.items()}
    compared = {name: threshold.compared(bins[name]) for name in slices}
    each = level / (2 * max(len(slices), 1)) / (1 if newest is None else 2)
    return RouterReference(
        {name: value_faults.ValueReference(bins[name], s.sum(axis=0), runs[name]) for name, s in slices.items()},
        {name: threshold.reference_windows(s, compared[name], length=length, level=each) for name, s in slices.items()},
        {
            name: unit_change.UnitReference(b, s.sum(axis=0), s)
            for name, s in slices.items()
            if isinstance(b := bins[name], NumericBins) and rescaling.has_width(b)
        },
        next((r.sum(axis=1) for r in runs.values()), np.zeros(0, np.int64)),
        newest,
    )


def route(  # noqa: PLR0913 - a window and the parts of it that are known
    known: RouterReference,
    window: Cells,
    policy: MonitorPolicy,
    level: float,
    *,
    newest: Cells | None = None,
    recent: Mapping[str, Counts] | None = None,
    rows: volume.FeedCounts | None = None,
) -> tuple[Fault, ...]:
    """Return the faults of one *window* (counts on all cells, by variable), by kind and variable.

    *level* is the chance of any fault in a window that is like the baseline: half of it is shared by what is asked of
    each variable and of the *rows*, half by the distances that the other answers start from; with the *newest* slice of
    the window, that and the window have half each. *recent* are consecutive slices (slices, cells), newest last: the
    window's, and better some before. They tell a step from a ramp, as long as they reach back to before it; by default
    they are the window's before its newest slice, and that. A variable that the window lacks counts as nothing.
    """
    rows = rows or volume.FeedCounts()
    if newest is None or known.slice is None:
        return _ordered(_faults(_Window(known, _counts(known, window), policy, recent or {}, rows), level))
    recent = recent or halves(window, newest)
    whole = _faults(_Window(known, _counts(known, window), policy, recent, rows), level / 2)
    latest = _faults(
        _Window(known.slice, _counts(known, newest), policy, recent, rows.newest or volume.FeedCounts()), level / 2
    )
    return _ordered(_joined(whole, latest))


def halves(window: Cells, newest: Cells) -> dict[str, Counts]:
    """Return a *window* as two slices, all but its *newest* and that one: what *recent* needs at least.

    >>> halves({"x": [5, 3]}, {"x": [1, 3]})["x"].tolist()
    [[4, 0], [1, 3]]
    """
    parts = {name: (np.asarray(window[name]), np.asarray(cells)) for name, cells in newest.items() if name in window}
    return {name: np.array([every - last, last]) for name, (every, last) in parts.items()}


def findings(faults: Sequence[Fault], known: RouterReference, window: Cells) -> dict[str, Finding]:
    """Return one quality finding for each variable that *faults* name; those of the rows are told as variable ``*``."""
    named: dict[str, list[Fault]] = {}
    for fault in faults:
        for name in fault.variables or ("*",):
            named.setdefault(name, []).append(fault)
    told, counts = {}, _counts(known, window)
    for name, found in named.items():
        of = name if name in counts else next(iter(counts))
        finding = value_faults.finding(name, found, known.quality[of], counts[of])
        told[name] = finding if name == of else finding.model_copy(update={"metrics": {}})
    return told


def _counts(known: RouterReference, window: Cells) -> dict[str, Counts]:
    return {name: np.asarray(window.get(name, r.total * 0), dtype=np.int64) for name, r in known.quality.items()}


@dataclass(frozen=True)
class _Window:
    """The counts of one window beside what is known, as :func:`route` has it."""

    known: RouterReference
    counts: Mapping[str, Counts]
    policy: MonitorPolicy
    recent: Mapping[str, Counts]
    rows: volume.FeedCounts

    def line(self, name: str, cells: Counts) -> float | None:
        """Return the distance that chance, or a window of the baseline, reaches; None if there are too few values.

        Not the line of drift: that grows beyond all distances where the baseline's windows differ much, and a unit is
        told by more than a distance.
        """
        n, reference = int(cells[value_faults.present(self.known.quality[name].bins)].sum()), self.known.drift[name]
        if min(n, reference.rows) < self.policy.min_rows:
            return None
        line = reference.threshold(n)
        return max(line.sampling, line.historical)

    def changed(self) -> dict[str, swapped_columns.Column]:
        """Return the variables that are far from their baseline, and further than chance reaches."""
        known = self.known.quality.items()
        columns = {name: swapped_columns.Column(r.bins, r.total, self.counts[name]) for name, r in known}
        far = {name: apart for name, c in columns.items() if (apart := c.apart) > unit_change.LARGE}
        lines = {name: self.line(name, self.counts[name]) for name in far}
        return {name: columns[name] for name, line in lines.items() if line is not None and far[name] > line}


def _faults(seen: _Window, level: float) -> list[Fault]:
    """Return the faults of a window that no other fault explains."""
    each = level / 2 / max(len(seen.counts) + seen.rows.questions, 1)
    n = max((int(c.sum()) for c in seen.counts.values()), default=0)
    own = [
        fault
        for name, reference in seen.known.quality.items()
        for fault in value_faults.faults(name, reference, seen.counts[name], seen.policy, each)
    ]
    taken = {f.variables[0] for f in own if f.kind in {FaultKind.STUCK, FaultKind.OUT_OF_RANGE}}
    rows = volume.faults(seen.rows, volume.VolumeReference(seen.known.total, seen.known.rows), n, seen.policy, each)
    return list(_unexplained([*swapped_columns.find(seen.changed()), *_named(own, seen), *_units(seen, taken), *rows]))


def _named(own: Sequence[Fault], seen: _Window) -> Iterator[Fault]:
    """Yield the variables' own faults, far values as another unit where they look like one."""
    for fault in own:
        (name,) = fault.variables
        line = seen.line(name, seen.counts[name]) if fault.kind is FaultKind.OUT_OF_RANGE else None
        if line is None or name not in seen.known.numbers:
            yield fault
        else:
            yield unit_change.renamed(fault, seen.known.numbers[name], seen.counts[name], line)


def _units(seen: _Window, taken: set[str]) -> Iterator[Fault]:
    """Yield the changes of unit of numbers that are not *taken*; none where the policy allows any distance."""
    if seen.policy.max_out_of_range >= 1:
        return
    for name, reference in seen.known.numbers.items():
        if name in taken:
            continue
        stands = unit_change.plateau(reference, np.asarray(seen.recent[name])) if name in seen.recent else None
        cells = stands.counts if stands else seen.counts[name]
        line = seen.line(name, cells) if unit_change.moved(reference, cells) > unit_change.LARGE else None
        if line is not None and (fault := unit_change.find(name, reference, cells, line, sudden=stands)):
            yield fault


def _unexplained(faults: Sequence[Fault]) -> Iterator[Fault]:
    """Yield each fault that no other fault of its variables explains, and one of a kind for the same variables."""
    told: set[tuple[FaultKind, tuple[str, ...]]] = set()
    for fault in faults:
        others = (f.kind for f in faults if set(fault.variables) & set(f.variables))
        key = (fault.kind, fault.variables)
        if key not in told and not any(fault.kind in _EXPLAINS.get(kind, ()) for kind in others):
            told.add(key)
            yield fault


def _joined(whole: Sequence[Fault], latest: Sequence[Fault]) -> Iterator[Fault]:
    """Yield the faults of the *latest* slice, as the *whole* window tells them where it does, and its other ones.

    The slice is the purer sample: what the window says of the same variables beside that is a mixture's doing.
    """
    told = {(f.kind, f.variables): f for f in whole}
    named = {name for f in latest for name in f.variables}
    for fault in latest:
        here = replace(fault, reason=f"in the newest slice, {fault.reason}")
        yield told.get((fault.kind, fault.variables), here)
    same = {(f.kind, f.variables) for f in latest}
    yield from (f for f in whole if not named & set(f.variables) and (f.kind, f.variables) not in same)


def _ordered(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(sorted(faults, key=lambda f: (list(FaultKind).index(f.kind), f.variables)))
