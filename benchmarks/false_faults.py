"""Faults that are none: how often data quality incidents open where nothing is broken, and still do where it is.

`python -m benchmarks.calibration --part faults` measures them; see :data:`KINDS`. Each model has four features of a
kind, the default policy, windows of seven slices after a baseline of 60, and 90 slices to come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.streams import Rng, ar
from features.schema import PREDICTION, EventSchema, FeatureKind, Task
from features.window import Windows, from_ms
from monitors.baseline import budget_shares
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.stats import held_out
from monitors.stats.bins import Bins, CategoricalBins, Counts, NumericBins, freeze_categorical, freeze_numeric
from monitors.verdicts import window_verdict

DAY, WINDOW, REFERENCE, LATER, ROWS = 86_400_000, 7, 60, 90, 200
VARIABLES = tuple("abcd")
POLICY = MonitorPolicy()
Column = npt.NDArray[Any]
"""Values of all rows in the order of slices, (rows,): floats (NaN: missing) or text (None: missing)."""
Draw = Callable[[Rng, npt.NDArray[np.int64]], Column]
"""Draws a column: generator, and the slice of each row."""


def _number(missing: Callable[[Rng, npt.NDArray[np.int64]], npt.NDArray[np.bool_]]) -> Draw:
    return lambda rng, at: np.where(missing(rng, at), np.nan, rng.standard_normal(len(at)))


def _stations(rng: Rng, at: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return the rows of ten stations, each of which is out for three slices in sixty."""
    starts = rng.random((int(at[-1]) + 1, 10)) < 1 / 60
    out = starts | np.roll(starts, 1, axis=0) | np.roll(starts, 2, axis=0)
    return np.asarray(out[at, rng.integers(10, size=len(at))])


def _stations_together(rng: Rng, at: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return the rows of ten stations, one to seven of which are out in one slice of ten."""
    slices = int(at[-1]) + 1
    out = (rng.random((slices, 10)).argsort(axis=1) < rng.integers(1, 8, (slices, 1))) & (rng.random((slices, 1)) < 0.1)
    return np.asarray(out[at, rng.integers(10, size=len(at))])


def _wobbling(rng: Rng, at: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return rows whose share has a logit around -3, of sd .7 and AR(.6)."""
    logit = -3 + 0.7 * ar(rng.standard_normal((1, int(at[-1]) + 1)), 0.6)[0]
    return np.asarray(rng.random(len(at)) < 1 / (1 + np.exp(-logit))[at])


def _in_sessions(rng: Rng, at: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return rows in sessions of Pareto's length, one in twelve of which has nothing."""
    lengths = np.ceil(rng.pareto(1.5, len(at)) + 1).astype(np.int64)
    session = np.repeat(np.arange(len(at)), np.minimum(lengths, ROWS))[: len(at)]
    return np.asarray((rng.random(len(at)) < 1 / 12)[session])


def _replaced(words: int, rate: float, power: float = 0.0) -> Draw:
    """Return what draws words of a pool by Zipf's law, a share of which is replaced from slice to slice."""

    def draw(rng: Rng, at: npt.NDArray[np.int64]) -> Column:
        p = np.arange(1, words + 1) ** -power
        born = np.maximum.accumulate(
            np.where(rng.random((int(at[-1]) + 1, words)) < rate, np.arange(int(at[-1]) + 1)[:, None], 0)
        )
        word = rng.choice(words, len(at), p=p / p.sum())
        return (born[at, word] * words + word).astype(str).astype(object)

    return draw


def _growing(words: int, more: int) -> Draw:
    """Return what draws words of a catalogue that gets *more* of them each slice."""
    return lambda rng, at: (rng.random(len(at)) * (words + more * at)).astype(np.int64).astype(str).astype(object)


def _plain(rng: Rng, at: npt.NDArray[np.int64]) -> Column:
    return rng.standard_normal(len(at))


@dataclass(frozen=True)
class Kind:
    """Four columns by *draw*, in slices of :data:`ROWS` rows that grow by *growth* from one to the next."""

    draw: Draw
    growth: float = 0.0


KINDS: Mapping[str, Kind] = {
    "stations out three slices in sixty": Kind(_number(_stations)),
    "stations that fail together": Kind(_number(_stations_together)),
    "a missing share that wobbles": Kind(_number(_wobbling)),
    "missing in sessions": Kind(_number(_in_sessions)),
    "2 % of 500 words replaced a slice": Kind(_replaced(500, 0.02)),
    "2 % of 50 words replaced a slice": Kind(_replaced(50, 0.02)),
    ".5 % of Zipf's 500 words replaced a slice": Kind(_replaced(500, 0.005, 1.0)),
    "a catalogue that grows from 20 by 5 a slice": Kind(_growing(20, 5)),
    "a catalogue that grows from 10 by 2 a slice": Kind(_growing(10, 2)),
    "traffic that grows by 2 % a slice": Kind(_plain, growth=0.02),
}


@dataclass(frozen=True, eq=False)
class Counted:
    """A model's *baseline*, and the counts of all slices, (slices, cells), by variable, those of the baseline first."""

    baseline: Baseline
    counts: Mapping[str, Counts]

    def faults(self, end: int) -> set[str]:
        """Return the variables with a fault in the window that ends before slice *end*; ``*`` is the feed."""
        window, newest = (
            {v: c[a:end].sum(axis=0).tolist() for v, c in self.counts.items()} for a in (end - WINDOW, end - 1)
        )
        found = window_verdict.judge(
            self.baseline, POLICY, stage=Stage.INPUTS, segment="", window_slices=WINDOW, start_ms=(end - WINDOW) * DAY,
            counts=window, newest=newest,
        )  # fmt: skip
        return {f.variable for f in found if _is_fault(f)}


def _is_fault(finding: Finding) -> bool:
    return finding.signal is Signal.QUALITY and finding.verdict is Verdict.DRIFT


def counted(kind: Kind, rng: Rng, broken: Callable[[Column, npt.NDArray[np.int64]], Column] | None = None) -> Counted:
    """Return one model of a kind; *broken* changes its first column, given the slice of each row."""
    sizes = (ROWS * (1 + kind.growth) ** np.arange(REFERENCE + LATER)).astype(np.int64)
    at = np.repeat(np.arange(len(sizes)), sizes)
    columns = {name: kind.draw(rng, at) for name in VARIABLES}
    if broken:
        columns[VARIABLES[0]] = broken(columns[VARIABLES[0]], at)
    columns[PREDICTION] = rng.random(len(at))
    bins = {name: _frozen(column[at < REFERENCE]) for name, column in columns.items()}
    counts = {name: _counts(bins[name], column, at) for name, column in columns.items()}
    words = isinstance(bins[VARIABLES[0]], CategoricalBins)
    schema = EventSchema(
        model="m", task=Task.BINARY, windows=Windows(size=timedelta(days=WINDOW), slide=timedelta(days=1)),
        features=dict.fromkeys(VARIABLES, FeatureKind.CATEGORICAL if words else FeatureKind.NUMERIC),
    )  # fmt: skip
    baseline = Baseline(
        events=schema, version="v1", start=from_ms(0), end=from_ms(REFERENCE * DAY), rows=int(sizes[:REFERENCE].sum()),
        bins=bins, inputs=tuple(Slice(start=k * DAY, counts={v: c[k].tolist() for v, c in counts.items()})
                                for k in range(REFERENCE)),
    )  # fmt: skip
    return Counted(baseline, counts)


def _frozen(column: Column) -> Bins:
    return freeze_categorical(column) if column.dtype == object else freeze_numeric(column)


def _counts(bins: Bins, column: Column, at: npt.NDArray[np.int64]) -> Counts:
    cells = bins.index(column, np.isnan(column)) if isinstance(bins, NumericBins) else bins.index(column)
    if isinstance(bins, CategoricalBins):
        known = at < REFERENCE
        cells[known] = held_out.cells(column[known], at[known], bins)
    return np.bincount(at * bins.cells + cells, minlength=(REFERENCE + LATER) * bins.cells).reshape(-1, bins.cells)


def allowed(model: Counted) -> float:
    """Return how many faults of a model the policy allows to open by chance in :data:`LATER` slices."""
    budget = POLICY.false_alarms.slices(timedelta(days=1))
    return budget_shares.share(model.baseline, Signal.QUALITY, "") * LATER / budget


@dataclass(frozen=True)
class Faults:
    """How many faults *began* in a model's later slices, and in what share of windows there *stood* one."""

    began: int
    stood: float


def watched(model: Counted) -> Faults:
    """Return the faults of one model."""
    looks = [model.faults(end) for end in range(REFERENCE + 1, REFERENCE + LATER + 1)]
    began = sum(len(now - before) for before, now in zip([set[str](), *looks[:-1]], looks, strict=True))
    return Faults(began, float(np.mean([bool(now) for now in looks])))


def _goes_missing(column: Column, at: npt.NDArray[np.int64]) -> Column:
    out = column.copy()
    out[at >= REFERENCE] = None if column.dtype == object else np.nan
    return out


def _changes_spelling(column: Column, at: npt.NDArray[np.int64]) -> Column:
    """Return words that are spelled anew, or numbers in thousandths, from the first slice after the baseline on."""
    if column.dtype == object:
        return np.asarray(np.where(at >= REFERENCE, "new " + column.astype(str), column))
    return np.asarray(column * np.where(at >= REFERENCE, 1e3, 1.0))


BREAKS: Mapping[str, Callable[[Column, npt.NDArray[np.int64]], Column]] = {
    "the column goes missing": _goes_missing,
    "spelled anew, or another unit": _changes_spelling,
}
"""What breaks a column from the first slice after the baseline on."""


def found(kind: Kind, rng: Rng) -> Iterator[tuple[str, bool]]:
    """Yield whether each of :data:`BREAKS` is found within a window's slices."""
    for name, broken in BREAKS.items():
        model = counted(kind, rng, broken)
        yield name, any(VARIABLES[0] in model.faults(end) for end in range(REFERENCE + 1, REFERENCE + WINDOW + 1))
