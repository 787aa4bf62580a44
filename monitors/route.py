"""The router: a broken pipeline, or a change of the world? Only the second may start a retrain.

:func:`route` names the faults of one window with their evidence; what drifts without a fault is drift. It knows counts
only, and leans to drift where both would look alike: the docstrings of :mod:`monitors.quality`, :mod:`monitors.units`
and :mod:`monitors.swaps` say what cannot be told. `python -m benchmarks.router` measures all of it.

A fault that began within the window is a mixture of two worlds: route the newest slice too, as a window of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitors import affine, feed, quality, swaps, threshold, units
from monitors.bins import CategoricalBins, Counts, NumericBins
from monitors.faults import Fault, Kind
from monitors.policy import MonitorPolicy
from monitors.report import Finding

_EXPLAINS = {Kind.COLUMN_SWAP: set(Kind) - {Kind.COLUMN_SWAP}, Kind.UNIT_CHANGE: {Kind.OUT_OF_RANGE}}
"""The faults of a variable that another fault of it explains: they are not told beside it."""


@dataclass(frozen=True, eq=False)
class Known:
    """What a baseline says about its variables, for windows of one length: made once by :func:`known`.

    *numbers* are the numeric variables with more than one value, *rows* those of each window-length run.
    """

    quality: Mapping[str, quality.Reference]
    drift: Mapping[str, threshold.Reference]
    numbers: Mapping[str, units.Reference]
    rows: Counts


def known(
    bins: Mapping[str, NumericBins | CategoricalBins], slices: Mapping[str, Counts], *, length: int, level: float
) -> Known:
    """Return what is known from each variable's *slices* (slices, all cells), for windows of *length* slices.

    *level* is that of a window, as :func:`route` takes it.
    """
    runs = {name: threshold.runs(s, length) for name, s in slices.items()}
    compared = {name: threshold.compared(bins[name]) for name in slices}
    each = level / (2 * max(len(slices), 1))
    return Known(
        {name: quality.Reference(bins[name], s.sum(axis=0), runs[name]) for name, s in slices.items()},
        {name: threshold.reference(s, compared[name], length=length, level=each) for name, s in slices.items()},
        {
            name: units.Reference(b, s.sum(axis=0), s)
            for name, s in slices.items()
            if isinstance(b := bins[name], NumericBins) and affine.has_width(b)
        },
        next((r.sum(axis=1) for r in runs.values()), np.zeros(0, np.int64)),
    )


def route(
    known: Known,
    window: Mapping[str, Sequence[int] | Counts],
    policy: MonitorPolicy,
    level: float,
    *,
    recent: Mapping[str, Counts] | None = None,
    rows: feed.Feed | None = None,
) -> tuple[Fault, ...]:
    """Return the faults of one *window* (counts on all cells, by variable), by kind and variable.

    *level* is the chance of any fault in a window that is like the baseline: half of it is shared by what is asked of
    each variable and of the *rows*, half by the distances that the other answers start from. *recent* are consecutive
    slices (slices, cells), newest last: the window's, and better some before. They tell a step from a ramp, as long as
    they reach back to before it. A variable that the window lacks counts as nothing.
    """
    rows = rows or feed.Feed()
    seen = _Window(known, _counts(known, window), policy)
    each = level / 2 / max(len(seen.counts) + rows.questions, 1)
    n = max((int(c.sum()) for c in seen.counts.values()), default=0)
    own = [f for name, r in known.quality.items() for f in quality.faults(name, r, seen.counts[name], policy, each)]
    found = [
        *swaps.find(seen.changed()),
        *_named(own, seen),
        *_units(seen, recent or {}, {f.variables[0] for f in own if f.kind in {Kind.STUCK, Kind.OUT_OF_RANGE}}),
        *feed.faults(rows, known.rows, n, policy, each),
    ]
    return tuple(sorted(_unexplained(found), key=lambda f: (list(Kind).index(f.kind), f.variables)))


def findings(faults: Sequence[Fault], known: Known, window: Mapping[str, Sequence[int] | Counts]) -> dict[str, Finding]:
    """Return one quality finding for each variable that *faults* name; those of the rows are told as variable ``*``."""
    named: dict[str, list[Fault]] = {}
    for fault in faults:
        for name in fault.variables or ("*",):
            named.setdefault(name, []).append(fault)
    told, counts = {}, _counts(known, window)
    for name, found in named.items():
        of = name if name in counts else next(iter(counts))
        finding = quality.told(name, found, known.quality[of], counts[of])
        told[name] = finding if name == of else finding.model_copy(update={"metrics": {}})
    return told


def _counts(known: Known, window: Mapping[str, Sequence[int] | Counts]) -> dict[str, Counts]:
    return {name: np.asarray(window.get(name, r.total * 0), dtype=np.int64) for name, r in known.quality.items()}


@dataclass(frozen=True)
class _Window:
    """The counts of one window beside what is known."""

    known: Known
    counts: Mapping[str, Counts]
    policy: MonitorPolicy

    def line(self, name: str, cells: Counts) -> float | None:
        """Return the distance that chance, or a window of the baseline, reaches; None if there are too few values.

        Not the line of drift: that grows beyond all distances where the baseline's windows differ much, and a unit is
        told by more than a distance.
        """
        n, reference = int(cells[quality.present(self.known.quality[name].bins)].sum()), self.known.drift[name]
        if min(n, reference.rows) < self.policy.min_rows:
            return None
        line = reference.line(n)
        return max(line.sampling, line.own)

    def changed(self) -> dict[str, swaps.Column]:
        """Return the variables that are far from their baseline, and further than chance reaches."""
        known = self.known.quality.items()
        columns = {name: swaps.Column(r.bins, r.total, self.counts[name]) for name, r in known}
        far = {name: apart for name, c in columns.items() if (apart := c.apart) > units.LARGE}
        lines = {name: self.line(name, self.counts[name]) for name in far}
        return {name: columns[name] for name, line in lines.items() if line is not None and far[name] > line}


def _named(own: Sequence[Fault], seen: _Window) -> Iterator[Fault]:
    """Yield the variables' own faults, far values as another unit where they look like one."""
    for fault in own:
        (name,) = fault.variables
        line = seen.line(name, seen.counts[name]) if fault.kind is Kind.OUT_OF_RANGE else None
        if line is None or name not in seen.known.numbers:
            yield fault
        else:
            yield units.renamed(fault, seen.known.numbers[name], seen.counts[name], line)


def _units(seen: _Window, recent: Mapping[str, Counts], taken: set[str]) -> Iterator[Fault]:
    """Yield the changes of unit of numbers that are not *taken*; none where the policy allows any distance."""
    if seen.policy.max_out_of_range >= 1:
        return
    for name, reference in seen.known.numbers.items():
        if name in taken:
            continue
        stands = units.plateau(reference, np.asarray(recent[name])) if name in recent else None
        cells = stands.counts if stands else seen.counts[name]
        line = seen.line(name, cells) if units.moved(reference, cells) > units.LARGE else None
        if line is not None and (fault := units.find(name, reference, cells, line, sudden=stands)):
            yield fault


def _unexplained(faults: Sequence[Fault]) -> Iterator[Fault]:
    """Yield each fault that no other fault of its variables explains, and one of a kind for the same variables."""
    told: set[tuple[Kind, tuple[str, ...]]] = set()
    for fault in faults:
        others = (f.kind for f in faults if set(fault.variables) & set(f.variables))
        key = (fault.kind, fault.variables)
        if key not in told and not any(fault.kind in _EXPLAINS.get(kind, ()) for kind in others):
            told.add(key)
            yield fault
