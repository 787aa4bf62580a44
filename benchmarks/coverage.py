"""Coverage of the intervals of effects: `python -m benchmarks.coverage [--quick] [--write]`.

How often the 95 % interval of a finding holds the true change, by the product's own functions: the relative rise of a
loss, the distance of a distribution, and the relative rise of an estimated loss. Slices of 200 rows vary as real ones
do (:mod:`benchmarks.interval_kinds`). Seeded; `--write` makes docs/statistics/intervals.md. Five minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import estimate_worlds, intervals_page
from benchmarks.interval_kinds import LOSSES, VALUES, Floats, Losses, Values
from benchmarks.intervals_page import Coverage
from benchmarks.streams import Rng
from features.schema import Task
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal
from monitors.profiles.outcome_counts import LOSS_UNIT, squared
from monitors.stats import threshold
from monitors.stats.bins import Counts, NumericBins, freeze_numeric
from monitors.stats.distance import js_distance_log2
from monitors.verdicts import distribution, performance

SEED, ROWS = 19, 200
"""The seed of all draws, and the rows of a slice."""
BASELINES, WINDOWS = (20, 60), (1, 3)
"""Slices of a baseline, and of a window."""
RISES, CHANGES = (0.0, 0.2, 0.5), (0.0, 0.25, 1.0)
"""By how much a loss rises, and by how many sd a mean moves."""
POLICY = MonitorPolicy()
PAGE = Path(__file__).parent.parent / "docs" / "statistics" / "intervals.md"
Holds = Callable[[Rng, int, int], Sequence[tuple[bool, float]]]
"""Draws a baseline and a window, of so many slices each: of every change whether the interval holds it, and its
width."""


def losses(kind: Losses) -> Holds:
    """Return what draws the losses of one kind, and looks whether intervals hold their rise."""

    def holds(rng: Rng, baseline: int, window: int) -> list[tuple[bool, float]]:
        rows = kind.rows(rng, baseline + window, ROWS)
        known = performance.reference(Task.MULTICLASS, _outcomes(rows(0.0)[:baseline]), window)
        out = []
        for rise in RISES:
            counts = {name: c.sum(axis=0).tolist() for name, c in _outcomes(rows(rise)[baseline:]).items()}
            judged = performance.finding(Task.MULTICLASS, known, counts, POLICY, level=distribution.WINDOW_LEVEL)
            out.append(_held(judged, rise))
        return out

    return holds


def _outcomes(rows: Floats) -> dict[str, Counts]:
    """Return the outcome counts of slices of losses, (slices, rows); NaN is no row."""
    n = (~np.isnan(rows)).sum(axis=1)
    units = np.rint(np.nan_to_num(rows) / LOSS_UNIT).astype(np.int64)
    sums = np.column_stack([units.sum(axis=1), squared(units).sum(axis=1)])
    return {"coverage": np.column_stack([n, 0 * n]), "loss": sums}


def distances(kind: Values) -> Holds:
    """Return what draws the values of one kind, and looks whether intervals hold the distance of their distribution."""

    def holds(rng: Rng, baseline: int, window: int) -> list[tuple[bool, float]]:
        rows = kind.rows(rng, baseline + window, ROWS)
        bins = freeze_numeric(rows(0.0)[:baseline].ravel())
        known = threshold.reference_windows(_cells(bins, rows(0.0)[:baseline]), threshold.compared(bins), length=window,
                                            level=distribution.WINDOW_LEVEL)  # fmt: skip
        out = []
        for change in CHANGES:
            cells = _cells(bins, rows(change)[baseline:]).sum(axis=0)
            sample = distribution.VariableCounts(bins, known, cells)
            before, after = (_shares(kind, bins, c) for c in (0.0, change))
            judged = distribution.finding(Signal.FEATURE, "x", sample, POLICY)
            out.append(_held(judged, float(js_distance_log2(before, after))))
        return out

    return holds


def _cells(bins: NumericBins, rows: Floats) -> Counts:
    none = np.zeros(rows.shape[1], bool)
    return np.array([np.bincount(bins.index(values, none), minlength=bins.cells) for values in rows])


def _shares(kind: Values, bins: NumericBins, change: float) -> npt.NDArray[np.int64]:
    """Return the long-run shares of the compared cells, of a thousand million rows."""
    edges = np.array(bins.edges)
    width = edges[-1] - edges[0]
    borders = np.concatenate([[edges[0] - width], edges[:-1], [np.nextafter(edges[-1], np.inf), edges[-1] + width]])
    shares = np.diff(kind.below(borders, change), prepend=0.0, append=1.0)
    return np.rint(shares * 1e9).astype(np.int64)


def _held(judged: Finding, truth: float) -> tuple[bool, float]:
    assert judged.interval is not None  # there are rows enough
    low, high = judged.interval
    return low - 1e-6 <= truth <= high + 1e-6, high - low  # ends are rounded to six decimals


def coverages(what: str, kinds: Mapping[str, Holds], changes: Sequence[float], repetitions: int) -> Iterator[Coverage]:
    """Yield the coverage of each kind, size of baseline and of window, and change."""
    for at, (name, holds) in enumerate(kinds.items()):
        for baseline, window in product(BASELINES, WINDOWS):
            rngs = (np.random.default_rng([SEED, at, baseline, window, k]) for k in range(repetitions))
            drawn = np.array([holds(rng, baseline, window) for rng in rngs])  # (repetitions, changes, 2)
            for change, one in zip(changes, drawn.swapaxes(0, 1), strict=True):
                yield Coverage(what, name, baseline, window, change, int(one[:, 0].sum()), repetitions,
                               float(np.median(one[:, 1])))  # fmt: skip


def main() -> None:
    """Measure, tell as it goes, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the repetitions")
    parser.add_argument("--write", action="store_true", help="write docs/statistics/intervals.md")
    parser.add_argument("--part", action="append", choices=("loss", "distance", "estimate"), help="only this part")
    args = parser.parse_args()
    parts = {
        "loss": ({name: losses(kind) for name, kind in LOSSES.items()}, RISES, 600),
        "distance": ({name: distances(kind) for name, kind in VALUES.items()}, CHANGES, 200),
        "estimate": (estimate_worlds.WORLDS, estimate_worlds.SHIFTS, 200),
    }
    measured = []
    for name, (kinds, changes, repetitions) in parts.items():
        if name in (args.part or parts):
            for one in coverages(name, kinds, changes, repetitions // 10 if args.quick else repetitions):
                measured.append(one)
                print(intervals_page.line(one), flush=True)
    if args.write:
        PAGE.write_text(intervals_page.page(measured))


if __name__ == "__main__":
    main()
