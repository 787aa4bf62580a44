"""Recorded history for replays: a numeric feature with segments, an informative score, and days of counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from features.schema import LABEL, PREDICTION, EventSchema, FeatureKind, Task
from features.window import UTC, Windows, to_ms
from monitors.baseline.baseline import Baseline, Slice
from monitors.finding import Stage
from monitors.profiles import outcome_counts
from monitors.report import Report
from monitors.stats.bins import Bins, CategoricalBins, freeze_numeric

START, DAY = datetime(2024, 1, 1, tzinfo=UTC), timedelta(days=1)
SITES = CategoricalBins(categories=("a", "b"))
LABELS = CategoricalBins(categories=("0", "1"))
Counts = dict[str, list[int]]


def schema(length: int = 2, *, task: Task = Task.BINARY, segments: tuple[str, ...] = ("site",)) -> EventSchema:
    """Return a number and a category, in windows of *length* days."""
    windows = Windows(size=length * DAY, slide=DAY)
    features = {"x": FeatureKind.NUMERIC, "site": FeatureKind.CATEGORICAL}
    return EventSchema(model="m", task=task, features=features, segments=segments, windows=windows)


def rows(rng: np.random.Generator, n: int = 200, by: float = 0.0) -> dict[str, Any]:
    """Return *n* rows of a day: x moved *by* some sd, and a label that the score foretells."""
    score = rng.beta(2, 4, n)
    return {"x": rng.normal(by, 1, n), "site": rng.choice(["a", "b"], n), PREDICTION: score,
            LABEL: (rng.random(n) < score).astype(float)}  # fmt: skip


def bins(days: list[dict[str, Any]]) -> dict[str, Bins]:
    """Return the bins that a baseline of *days* freezes."""
    numbers = {name: freeze_numeric(np.concatenate([d[name] for d in days])) for name in ("x", PREDICTION)}
    return {**numbers, "site": SITES, LABEL: LABELS}


def inputs(frozen: dict[str, Bins], day: dict[str, Any], site: str = "") -> Counts:
    """Return the input counts of a day, of all rows or of those of one *site*."""
    inside = day["site"] == site if site else np.ones(len(day["x"]), bool)
    cells = {name: frozen[name].index(day[name][inside], ~inside[inside]) for name in ("x", PREDICTION)}  # type: ignore[call-arg, arg-type]
    cells["site"] = SITES.index(day["site"][inside].astype(object))
    return {name: np.bincount(cells[name], minlength=frozen[name].cells).tolist() for name in ("x", "site", PREDICTION)}


def outcomes(frozen: dict[str, Bins], day: dict[str, Any]) -> Counts:
    """Return the outcome counts of a day; every row has its label."""
    n = len(day["x"])
    found = outcome_counts.count(Task.BINARY, frozen, prediction=day[PREDICTION], label=day[LABEL],
                              labelled=np.ones(n, bool), groups=np.zeros(n, np.int64), n_groups=1)  # fmt: skip
    return {name: found[name][0].tolist() for name in found}


def slices(
    frozen: dict[str, Bins], days: list[dict[str, Any]], begin: datetime = START
) -> tuple[tuple[Slice, ...], tuple[Slice, ...]]:
    """Return the input slices, of all rows and of each site, and the outcome slices of *days*."""
    at = [to_ms(begin + DAY * i) for i in range(len(days))]
    of = [(day, start, site) for day, start in zip(days, at, strict=True) for site in ("", "a", "b")]
    ins = (Slice(start=s, segment=f"site={v}" if v else "", counts=inputs(frozen, d, v)) for d, s, v in of)
    outs = (Slice(start=s, counts=outcomes(frozen, d)) for d, s in zip(days, at, strict=True))
    return tuple(ins), tuple(outs)


def baseline(n: int = 42, length: int = 2, *, seed: int = 1, **changed: Any) -> Baseline:
    """Return the baseline of *n* days."""
    days = [rows(np.random.default_rng([seed, i])) for i in range(n)]
    frozen = bins(days)
    ins, outs = slices(frozen, days)
    said = {"events": schema(length), "version": "v1", "start": START, "end": START + n * DAY, "rows": 200 * n,
            "bins": frozen, "inputs": ins, "outcomes": outs, **changed}  # fmt: skip
    return Baseline(**said)


def later(
    known: Baseline, n: int, *, since: int = 10**6, by: float = 1.0
) -> tuple[tuple[Slice, ...], tuple[Slice, ...]]:
    """Return the slices of *n* days after the baseline; x is moved *by* some sd from day *since* on."""
    days = [rows(np.random.default_rng([99, i]), by=by if i >= since else 0.0) for i in range(n)]
    return slices(dict(known.bins), days, known.end)


def reports(known: Baseline, of: tuple[Slice, ...], stage: Stage = Stage.INPUTS) -> list[Report]:
    """Return reports without findings on the windows that end with each of the slices, in which no slice is absent."""
    size, found = known.events.windows.slices, []
    for segment in sorted({s.segment for s in of}):
        mine = [s for s in of if s.segment == segment]
        for i, newest in enumerate(mine):
            part = mine[max(0, i + 1 - size) : i + 1]
            total = {name: np.sum([s.counts[name] for s in part], axis=0).tolist() for name in newest.counts}
            end = START + timedelta(milliseconds=newest.start - to_ms(START)) + DAY
            found.append(
                Report(model="m", version=known.version, segment=segment, stage=stage, window_start=end - size * DAY,
                       window_end=end, baseline="", rows=1, counts=total, newest_slice=newest.counts)
            )  # fmt: skip
    return found
