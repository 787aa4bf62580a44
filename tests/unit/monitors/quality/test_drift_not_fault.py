"""Changes of the world that are drift and no fault, whatever kind of column they happen to; and faults beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from features.schema import VALUE_HASHES
from monitors.config import MonitorPolicy
from monitors.finding import Signal, Verdict
from monitors.profiles import value_hashes
from monitors.quality import router, router_reference
from monitors.quality.column_traits import ColumnTraits
from monitors.quality.fault import FaultKind
from monitors.stats import threshold
from monitors.stats.bins import Bins, CategoricalBins, Counts, NumericBins, freeze_categorical, freeze_numeric
from monitors.verdicts import distribution

DAYS, ROWS, LENGTH, LEVEL = 28, 60, 7, 0.01
POLICY = MonitorPolicy()
Values = npt.NDArray[Any]
Rng = np.random.Generator
Column = Callable[[Rng, int, int], Values]
"""Values of each day of a stretch, (days, rows), by the first and the last day; the baseline is days 0 to 28."""


def counted(bins: Bins, days: Values) -> Counts:
    """Return the counts of each day, (days, cells)."""
    cells = [bins.index(v, np.isnan(v)) if isinstance(bins, NumericBins) else bins.index(v) for v in days]
    return np.array([np.bincount(c, minlength=bins.cells) for c in cells])


def hashed(days: Values) -> Counts:
    """Return the sums of hashes of each day, (days, 2)."""
    return np.array([value_hashes.columns([day]).sum(axis=1) for day in days])


def frozen(days: Values) -> Bins:
    """Return the bins of a baseline."""
    return freeze_categorical(days.ravel()) if days.dtype == object else freeze_numeric(days.ravel())


def found(column: Column, later: Column | None = None, seed: int = 0) -> tuple[set[FaultKind], bool]:
    """Return the kinds of faults in any of the next 60 days' windows, and whether any of these windows drifts."""
    rng = np.random.default_rng(seed)
    then, now = column(rng, 0, DAYS), (later or column)(rng, DAYS, DAYS + 60)
    bins = frozen(then)
    before, after = counted(bins, then), counted(bins, now)
    known = {"x": hashed(then)} if isinstance(bins, NumericBins) else {}
    reference = router_reference.router_reference({"x": bins}, {"x": before}, length=LENGTH, level=LEVEL, sums=known)
    sums = np.vstack([hashed(then)[-LENGTH:], hashed(now)]) if known else np.zeros((LENGTH + 60, 0), np.int64)
    drift = threshold.reference_windows(before, threshold.compared(bins), length=LENGTH, level=0.01)
    kinds, drifts, days = set[FaultKind](), False, np.vstack([before[-LENGTH:], after])
    for end in range(LENGTH + 1, len(days) + 1):
        window, newest = days[end - LENGTH : end].sum(axis=0), {"x": days[end - 1], VALUE_HASHES: sums[end - 1]}
        counts = {"x": window, VALUE_HASHES: sums[end - LENGTH : end].sum(axis=0)}
        kinds |= {f.kind for f in router.route(reference, counts, POLICY, LEVEL, newest=newest)}
        sample = distribution.VariableCounts(bins, drift, window)
        withheld = "" if drift.rows and sample.n else "no values"
        judged = distribution.finding(Signal.FEATURE, "x", sample, POLICY, withheld=withheld)
        drifts |= judged.window_verdict is Verdict.DRIFT
    return kinds, drifts


def drawn(draw: Callable[[Rng, int], Any]) -> Column:
    """Return a column whose rows of a day are drawn by *draw*, from the generator and the day's number."""
    return lambda rng, start, end: np.array([np.broadcast_to(draw(rng, d), ROWS) for d in range(start, end)])


def words(draw: Callable[[Rng, int], Any]) -> Column:
    """Return the same as categories."""
    return lambda rng, start, end: drawn(draw)(rng, start, end).astype(str).astype(object)


def mixed(*values: float | str, p: list[float] | None = None) -> Callable[[Rng, int], Any]:
    """Return a draw of *values* with the probabilities *p*."""
    return lambda rng, _: rng.choice(np.array(values), ROWS, p=p)


def pressure(rng: Rng, day: int) -> Any:
    """Return a day of a level that goes up and down: on a calm day all of its values are in one tenth."""
    level = 1012 + 9 * np.sin(day / 2.3) + 4 * np.sin(day / 5.9)
    return np.round(rng.normal(level, 0.4 if day % 5 == 0 else 2.5, ROWS), 1)


def dew_point(rng: Rng, day: int) -> Any:
    """Return a day of a level that has most of its variance between days."""
    return rng.normal(45 + 20 * np.sin(day / 2.3) + 10 * np.sin(day / 5.9), 4, ROWS)


CHANGES: dict[str, tuple[Column, Column | None]] = {
    "a constant that varies": (drawn(lambda r, d: 5.0), drawn(lambda r, d: r.normal(40, 9, ROWS))),
    "a constant that becomes another": (drawn(lambda r, d: 0.0), drawn(lambda r, d: 3.0)),
    "a constant category": (words(lambda r, d: "a"), words(mixed("b", "c"))),
    "a season's code": (drawn(lambda r, d: 1.0 + (d >= 14)), drawn(lambda r, d: 3.0 + (d >= 50))),
    "codes 1 and 2 mixed, then 4": (drawn(mixed(1.0, 2.0)), drawn(lambda r, d: 4.0)),
    "a season's name": (words(lambda r, d: "spring" if d < 14 else "summer"), words(lambda r, d: "fall")),
    "a month's number": (drawn(lambda r, d: 1.0 + d // 9), None),
    "a flag that is set for weeks": (drawn(mixed(0.0, 1.0, p=[0.7, 0.3])), drawn(lambda r, d: 1.0)),
    "a flag of days": (drawn(lambda r, d: float(d % 7 > 4)), drawn(lambda r, d: float(d % 3 > 0))),
    "a grade of five": (drawn(lambda r, d: r.integers(1, 6, ROWS).astype(float)), drawn(lambda r, d: 5.0)),
    "a weather code": (words(mixed("clear", "mist", "rain", p=[0.6, 0.3, 0.1])), words(lambda r, d: "mist")),
    "a new category in 15 %": (
        words(mixed("a", "b", "c")),
        words(mixed("a", "b", "c", "new", p=[0.3, 0.3, 0.25, 0.15])),
    ),
    "a new category in 70 %": (words(mixed("a", "b")), words(mixed("a", "b", "c", p=[0.2, 0.1, 0.7]))),
    "campaigns follow each other": (words(lambda r, d: [f"c{(d + k) // 5}" for k in r.integers(0, 9, ROWS)]), None),
    "a running number": (drawn(lambda r, d: np.arange(ROWS) + d * ROWS * 1.0), None),
    "a running number after a gap": (
        drawn(lambda r, d: np.arange(ROWS) + d * ROWS * 1.0),
        drawn(lambda r, d: np.arange(ROWS) + (d + 500) * ROWS * 1.0),
    ),
    "a rate that is set by the day": (
        drawn(lambda r, d: 4.85 + 0.01 * r.integers(0, 20) + d * 0),
        drawn(lambda r, d: 1.3),
    ),
    "spring, then summer": (drawn(lambda r, d: r.normal(d / 4, 4, ROWS)), drawn(lambda r, d: r.normal(28, 4, ROWS))),
    "a price that wanders off": (drawn(lambda r, d: r.normal(100 + d**1.5 / 9, 1, ROWS)), None),
    "growth to four times": (drawn(lambda r, d: r.lognormal(3 + max(d - 28, 0) / 40, 0.4, ROWS)), None),
    "calm days of a pressure": (drawn(pressure), None),
    "a calm day where none was": (
        drawn(lambda r, d: r.normal(1012 + 9 * np.sin(d / 2.3), 2.5, ROWS)),
        drawn(pressure),
    ),
    "a cold front": (drawn(dew_point), drawn(lambda r, d: r.normal(12, 4, ROWS) if d % 9 < 1 else dew_point(r, d))),
    "a fall into the lowest tenth": (
        drawn(lambda r, d: r.lognormal(3, 1, ROWS)),
        drawn(lambda r, d: r.uniform(1, 5, ROWS)),
    ),
    "a sudden shift by 3 sd": (drawn(lambda r, d: r.normal(0, 1, ROWS)), drawn(lambda r, d: r.normal(3, 1, ROWS))),
    "counts that rise": (drawn(lambda r, d: r.poisson(1.0, ROWS) * 1.0), drawn(lambda r, d: r.poisson(6, ROWS) * 1.0)),
    "counts that fall to one value": (drawn(lambda r, d: r.geometric(0.4, ROWS) * 1.0), drawn(lambda r, d: 1.0)),
    "a column that changes by the week": (
        drawn(lambda r, d: float(np.random.default_rng(d // 7).normal())),
        drawn(lambda r, d: 0.2),
    ),
}


ALWAYS_NEW = {
    "a month's number",
    "campaigns follow each other",
    "a running number",
    "a running number after a gap",
    "a price that wanders off",
    "a column that changes by the week",
    "a cold front",
    "calm days of a pressure",
    "a calm day where none was",
}
"""Columns whose windows differ as much as windows can in the baseline already: the finding says so."""


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_world_is_drift_and_no_fault(name: str) -> None:
    """No window of the next sixty days has a fault, and the feature's own signal finds what is new about it."""
    before, later = CHANGES[name]
    kinds, drifts = found(before, later)
    assert set() == kinds
    assert drifts or name in ALWAYS_NEW


def test_a_column_that_was_empty_may_get_values() -> None:
    """A baseline without any value has nothing to compare with: no fault, and no verdict."""
    empty = drawn(lambda r, d: np.nan)
    assert set() == found(empty, drawn(lambda r, d: r.normal(0, 1, ROWS)))[0]


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_an_optional_field_may_be_missing_as_often_as_it_was(share: float) -> None:
    """A missing share that varies from day to day may exceed its largest by as much as that exceeds the median."""

    def draw(rng: Rng, day: int) -> Any:
        often = 1 / (1 + np.exp(-(np.log(share / (1 - share)) + 0.7 * rng.normal())))
        return np.where(rng.random(ROWS) < often, np.nan, rng.normal(0, 1, ROWS))

    assert set() == found(drawn(draw))[0]


NORMAL = drawn(lambda r, d: r.normal(15, 8, ROWS))
FAULTS: dict[str, tuple[Column, Column, FaultKind]] = {
    "stuck": (NORMAL, drawn(lambda r, d: 14.0), FaultKind.STUCK),
    "stuck in its lowest tenth": (NORMAL, drawn(lambda r, d: 1.0), FaultKind.STUCK),
    "a pressure that is stuck": (drawn(pressure), drawn(lambda r, d: 1009.3), FaultKind.STUCK),
    "Fahrenheit": (NORMAL, drawn(lambda r, d: r.normal(15, 8, ROWS) * 1.8 + 32), FaultKind.UNIT_CHANGE),
    "grams for kilograms": (NORMAL, drawn(lambda r, d: r.normal(15, 8, ROWS) * 1000), FaultKind.UNIT_CHANGE),
    "a placeholder in 70 %": (
        NORMAL,
        drawn(lambda r, d: np.where(r.random(ROWS) < 0.7, -999.0, r.normal(15, 8, ROWS))),
        FaultKind.OUT_OF_RANGE,
    ),
    "half of it missing": (
        NORMAL,
        drawn(lambda r, d: np.where(r.random(ROWS) < 0.5, np.nan, r.normal(15, 8, ROWS))),
        FaultKind.MISSING_BURST,
    ),
    "all of it missing": (NORMAL, drawn(lambda r, d: np.nan), FaultKind.SCHEMA),
    "codes for names": (words(mixed("red", "green", "blue")), words(mixed("0", "1", "2")), FaultKind.UNSEEN),
    "names in capitals": (words(mixed("yes", "no")), words(mixed("YES", "NO")), FaultKind.UNSEEN),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_no_world_does_is_a_fault(name: str) -> None:
    """On a column that varies within each day, each of these is found by its kind."""
    before, later, kind = FAULTS[name]
    assert {kind} == found(before, later)[0]


def test_few_values_are_seen_on_the_borders_of_bins() -> None:
    """Codes and grades have few; a measurement and a count of many values do not."""
    rng = np.random.default_rng(1)
    few = [rng.integers(0, k, 2000) * 1.0 for k in (1, 2, 5, 12)]
    many = [rng.normal(size=2000), rng.integers(0, 24, 2000) * 1.0, rng.lognormal(size=2000)]
    sizes = [ColumnTraits(freeze_numeric(v), np.zeros((0, 1), np.int64)).is_few_valued for v in (*few, *many)]
    assert [True] * 4 + [False] * 3 == sizes


def test_a_vocabulary_without_slices_does_not_turn_over() -> None:
    """Nothing is known of halves of nothing."""
    bins = CategoricalBins(categories=("a", "b"))
    assert not ColumnTraits(bins, np.zeros((1, bins.cells), np.int64)).turns_over
