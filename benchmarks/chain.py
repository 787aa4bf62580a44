"""False alarms of the whole chain, from counted slices to incidents, on stationary streams.

A model with features, a prediction, labels and losses, watched in all traffic and two segments, at both stages.
Whatever becomes *drift* counts, whichever signal it is, with no least effect, so that only the promise speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.streams import SLICE_SD, ar
from features.schema import LABEL, PREDICTION, EventSchema, FeatureKind, Task
from features.window import Windows, from_ms
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.profiles import outcome_counts
from monitors.report import Report
from monitors.sequential import monitor
from monitors.stats.bins import Bins, CategoricalBins, Counts, NumericBins, freeze_categorical, freeze_numeric
from monitors.verdicts import plan, window_verdict

DAY = 86_400_000
ROWS, WINDOW = 250, 3
"""Rows a slice in each segment, and slices a window."""
PLACES = ("north", "south")
NUMBERS = ("a", "b", "c", "d")
SCHEMA = EventSchema(
    model="m",
    task=Task.BINARY,
    segments=("place",),
    features={
        **dict.fromkeys(NUMBERS, FeatureKind.NUMERIC),
        "word": FeatureKind.CATEGORICAL,
        "place": FeatureKind.CATEGORICAL,
    },
    windows=Windows(size=timedelta(days=WINDOW), slide=timedelta(days=1)),
)
BUDGET = 90
POLICY = MonitorPolicy(min_effect=0, min_loss_increase=0, false_alarms=f"1 per {BUDGET} days")
Rng = np.random.Generator
Floats = npt.NDArray[np.float64]
Levels = Callable[[Rng, int], Floats]
"""The levels of five series, the numbers' and the score's, (slices, 5), in sd of a row."""
Rows = dict[str, npt.NDArray[Any]]

WORLDS: Mapping[str, Levels] = {
    "nothing but sampling": lambda rng, slices: np.zeros((slices, 5)),
    "means wobble by .1 sd": lambda rng, slices: 0.1 * rng.standard_normal((slices, 5)),
    "slices AR(.6)": lambda rng, slices: SLICE_SD * ar(rng.standard_normal((5, slices)), 0.6).T,
}


@dataclass(frozen=True)
class Told:
    """How many incidents began in how many *slices*, and how many of them inside the *promise*."""

    slices: int
    promise: int
    outside: int


def run(levels: Levels, rng: Rng, reference: int, later: int) -> Told:
    """Return what one model is told of in *later* slices after a baseline of *reference* slices."""
    counts = _counted(levels, rng, reference + later, reference)
    began = [b for stage, segment in counts.series for b in _incidents(counts, stage, segment, reference)]
    return Told(later, sum(began), len(began) - sum(began))


@dataclass(frozen=True, eq=False)
class _Counts:
    """Counts (slices, cells) by stage, segment and variable, and the baseline of the first of them."""

    series: Mapping[tuple[Stage, str], Mapping[str, Counts]]
    baseline: Baseline


def _counted(levels: Levels, rng: Rng, slices: int, reference: int) -> _Counts:
    rows = {f"place={place}": _rows(levels(rng, slices), rng, place) for place in PLACES}
    bins = _bins(
        {v: np.concatenate([r[v][: reference * ROWS] for r in rows.values()]) for v in (*SCHEMA.variables, LABEL)}
    )
    series: dict[tuple[Stage, str], dict[str, Counts]] = {}
    for segment, of in rows.items():
        series[Stage.INPUTS, segment] = {v: _cells(bins[v], of[v], slices) for v in SCHEMA.variables}
        series[Stage.OUTCOMES, segment] = outcome_counts.count(
            Task.BINARY, bins, of[PREDICTION], of[LABEL], np.ones(len(of[LABEL]), bool),
            np.repeat(np.arange(slices), ROWS), slices,
        )  # fmt: skip
    for stage in Stage:
        parts = [series[stage, segment] for segment in rows]
        series[stage, ""] = {v: np.sum([p[v] for p in parts], axis=0) for v in parts[0]}
    return _Counts(series, _baseline(bins, series, reference))


def _rows(levels: Floats, rng: Rng, place: str) -> Rows:
    slices = len(levels)
    numbers = (levels[:, None] + rng.standard_normal((slices, ROWS, 5))).reshape(-1, 5)
    score = 1 / (1 + np.exp(-numbers[:, 4]))
    out: Rows = {name: numbers[:, i] for i, name in enumerate(NUMBERS)}
    out["word"] = rng.choice(np.array(["p", "q", "r", "s"], object), len(score), p=[0.4, 0.3, 0.2, 0.1])
    out["place"] = np.full(len(score), place, object)
    return {**out, PREDICTION: score, LABEL: (rng.random(len(score)) < score).astype(float)}


def _bins(rows: Rows) -> dict[str, Bins]:
    frozen = {v: freeze_categorical(r) if r.dtype == object else freeze_numeric(r) for v, r in rows.items()}
    return {**frozen, LABEL: CategoricalBins(categories=("0", "1"))}


def _cells(bins: Bins, values: npt.NDArray[Any], slices: int) -> Counts:
    cell = bins.index(values, np.zeros(len(values), bool)) if isinstance(bins, NumericBins) else bins.index(values)
    flat = np.repeat(np.arange(slices), ROWS) * bins.cells + cell
    return np.bincount(flat, minlength=slices * bins.cells).reshape(slices, bins.cells)


def _baseline(bins: Mapping[str, Bins], series: Mapping[tuple[Stage, str], Mapping[str, Counts]], n: int) -> Baseline:
    slices = {
        stage: tuple(Slice(start=k * DAY, segment=segment, counts={v: c[k].tolist() for v, c in counts.items()})
                     for (at, segment), counts in series.items() if at is stage for k in range(n))
        for stage in Stage
    }  # fmt: skip
    return Baseline(events=SCHEMA, version="v1", start=from_ms(0), end=from_ms(n * DAY), rows=n * ROWS * len(PLACES),
                    bins=dict(bins), inputs=slices[Stage.INPUTS], outcomes=slices[Stage.OUTCOMES])  # fmt: skip


def _incidents(counts: _Counts, stage: Stage, segment: str, reference: int) -> Iterator[bool]:
    """Yield, for each window and signal in which something became drift, whether that is inside the promise."""
    known = plan.monitoring_plan(counts.baseline, POLICY, stage, segment)
    before: set[tuple[str, str]] = set()
    for report in monitor.judge_all(known, _reports(counts, stage, segment, reference)):
        now = {(f.signal.value, f.variable): f.guaranteed is not False for f in report.drifted()}
        began = {key: promised for key, promised in now.items() if key not in before}
        yield from (any(p for key, p in began.items() if key[0] == signal) for signal in {key[0] for key in began})
        before = set(now)


def _reports(counts: _Counts, stage: Stage, segment: str, reference: int) -> Iterator[Report]:
    series, baseline = counts.series[stage, segment], counts.baseline
    last = len(next(iter(series.values())))
    for end in range(reference + 1, last + 1):
        window = {v: c[end - WINDOW : end].sum(axis=0).tolist() for v, c in series.items()}
        start = (end - WINDOW) * DAY
        found = window_verdict.judge(
            baseline, POLICY, stage=stage, segment=segment, window_slices=WINDOW, start_ms=start, counts=window
        )
        yield Report(
            model="m", version="v1", segment=segment, stage=stage, window_start=from_ms(start),
            window_end=from_ms(end * DAY), baseline="", rows=WINDOW * ROWS, counts=window,
            newest_slice={v: c[end - 1].tolist() for v, c in series.items()}, findings=found,
        )  # fmt: skip
