"""Window reports of a stationary stream, for tests of sequential verdicts: daily slices of three features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

import numpy as np

from features.schema import PREDICTION, EventSchema, FeatureKind, Task
from features.window import UTC, Windows, to_ms
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.report import Report
from monitors.stats.bins import NumericBins, freeze_numeric
from monitors.verdicts import window_verdict

START, DAY = datetime(2024, 1, 1, tzinfo=UTC), timedelta(days=1)
NAMES = ("x", "y", "z", PREDICTION)
POLICY = MonitorPolicy()
Rows = Mapping[str, np.ndarray]
Change = Callable[[int, dict[str, np.ndarray]], None]


def schema(length: int = 1) -> EventSchema:
    """Three numeric features in windows of *length* days."""
    features = dict.fromkeys(NAMES[:-1], FeatureKind.NUMERIC)
    return EventSchema(model="m", task=Task.BINARY, features=features, windows=Windows(size=length * DAY, slide=DAY))


def days(rng: np.random.Generator, n: int, rows: int = 600, change: Change | None = None) -> list[Rows]:
    """Return *n* days of rows; *change* alters the rows of a day, by its number, in place."""
    out: list[Rows] = []
    for day in range(n):
        made = {name: rng.normal(size=rows) for name in NAMES}
        if change:
            change(day, made)
        out.append(made)
    return out


def shift(variable: str, by: float, since: int = 0, until: int = 10**6) -> Change:
    """Return a change that adds *by* to *variable* on the days [since, until)."""

    def change(day: int, rows: dict[str, np.ndarray]) -> None:
        if since <= day < until:
            rows[variable] = rows[variable] + by

    return change


def baseline(rows: list[Rows], length: int = 1) -> Baseline:
    """Return the baseline of days of *rows*."""
    bins = {name: freeze_numeric(np.concatenate([r[name] for r in rows])) for name in NAMES}
    slices = tuple(Slice(start=to_ms(START + DAY * i), counts=count(bins, r)) for i, r in enumerate(rows))
    end = START + DAY * len(rows)
    n = sum(len(r["x"]) for r in rows)
    return Baseline(events=schema(length), version="v1", start=START, end=end, rows=n, bins=bins, inputs=slices)


def count(bins: Mapping[str, NumericBins], rows: Rows) -> dict[str, list[int]]:
    """Return the counts of one day's rows; NaN is missing."""
    return {
        name: np.bincount(b.index(rows[name], np.isnan(rows[name])), minlength=b.cells).tolist()
        for name, b in bins.items()
    }


def reports(known: Baseline, rows: list[Rows], policy: MonitorPolicy = POLICY) -> Iterator[Report]:
    """Yield the report of every day after the baseline, as its window alone says."""
    length = known.events.windows.slices
    counts = [count(known.bins, r) for r in rows]  # type: ignore[arg-type]
    for day in range(length - 1, len(rows)):
        part = counts[day + 1 - length : day + 1]
        total = {name: np.sum([c[name] for c in part], axis=0).tolist() for name in NAMES}
        end = known.end + DAY * (day + 1)
        begin = end - DAY * length
        found = window_verdict.judge(known, policy, stage=Stage.INPUTS, segment="", window_slices=length,
                              start_ms=to_ms(begin), counts=total, newest=counts[day])  # fmt: skip
        yield Report(model="m", version="v1", stage=Stage.INPUTS, window_start=begin, window_end=end,
                     baseline=known.digest, rows=sum(total["x"]), counts=total, newest_slice=counts[day],
                     findings=found)  # fmt: skip
