"""Windows of a model with columns of many kinds, and how they are judged: findings that must stay what they were."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np

from features.schema import PREDICTION, EventSchema, FeatureKind, Task
from features.window import Windows, from_ms
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.report import Report
from monitors.sequential import monitor
from monitors.stats.bins import Bins, CategoricalBins, Counts, NumericBins
from monitors.verdicts import plan, window_verdict

DAY, REFERENCE, WINDOW, LATER = 86_400_000, 40, 4, 16
SEGMENTS = {"": 400, "place=a": 60, "place=b": 11}
"""Rows a slice; of the last one there are too few to judge some variables."""
WORDS = tuple(map(str, range(7)))
BINS: dict[str, Bins] = {
    "even": NumericBins(edges=tuple(map(float, range(11))), mean=5.0, sd=2.9),
    "wobbling": NumericBins(edges=tuple(map(float, range(11))), mean=5.0, sd=2.9),
    "metres": NumericBins(edges=tuple(map(float, range(11))), mean=5.0, sd=2.9),
    "rain": NumericBins(edges=(0.0, 5e-324, 1.0, 2.0, 5.0, 30.0), mean=1.5, sd=3.0),
    "constant": NumericBins(edges=(3.0, 3.0), mean=3.0),
    "never": NumericBins(edges=(0.0, 0.0)),
    "seldom": NumericBins(edges=(-1.0, 0.0, 0.5, 2.0), mean=0.2, sd=0.6),
    "word": CategoricalBins(categories=WORDS[:4], others=WORDS[4:]),
    "words": CategoricalBins(categories=tuple(f"w{i}" for i in range(25)), others=tuple(f"v{i}" for i in range(200))),
    "flag": CategoricalBins(categories=("yes", "no")),
    PREDICTION: NumericBins(edges=tuple(float(i) / 10 for i in range(11)), mean=0.4, sd=0.2),
}
WINDOWS = Windows(size=timedelta(days=WINDOW), slide=timedelta(days=1))


def reports(policy: MonitorPolicy | None = None) -> Iterator[Report]:
    """Yield the reports of all segments, judged by the window alone and over time: steady, then changed and broken."""
    rng, judged_by = np.random.default_rng(16), policy or MonitorPolicy()
    counts = {segment: _segment_counts(rng, rows) for segment, rows in SEGMENTS.items()}
    baseline = _baseline(counts)
    for segment, of in counts.items():
        fitted = plan.monitoring_plan(baseline, judged_by, Stage.INPUTS, segment)
        state = monitor.initial_state(fitted)
        for end in range(REFERENCE + 1, REFERENCE + LATER + 1):
            state, judged = monitor.judge(fitted, state, _report(baseline, judged_by, segment, of, end))
            yield judged


def _report(baseline: Baseline, policy: MonitorPolicy, segment: str, of: dict[str, Counts], end: int) -> Report:
    start = (end - WINDOW) * DAY
    window = {v: c[end - WINDOW : end].sum(axis=0).tolist() for v, c in of.items()}
    newest = {v: c[end - 1].tolist() for v, c in of.items()}
    findings = window_verdict.judge(baseline, policy, stage=Stage.INPUTS, segment=segment, window_slices=WINDOW,
                                    start_ms=start, counts=window, newest=newest,
                                    slices_with_events=WINDOW)  # fmt: skip
    return Report(
        model="m", version="v1", segment=segment, stage=Stage.INPUTS, window_start=from_ms(start),
        window_end=from_ms(end * DAY), baseline="", rows=sum(window[PREDICTION]), counts=window, newest_slice=newest,
        findings=findings,
    )  # fmt: skip


def _baseline(counts: dict[str, dict[str, Counts]]) -> Baseline:
    kinds = {name: FeatureKind(bins.kind) for name, bins in BINS.items() if name != PREDICTION}
    inputs = tuple(Slice(start=k * DAY, segment=segment, counts={v: c[k].tolist() for v, c in of.items()})
                   for segment, of in counts.items() for k in range(REFERENCE))  # fmt: skip
    return Baseline(events=EventSchema(model="m", task=Task.BINARY, features=kinds, windows=WINDOWS), version="v1",
                    start=from_ms(0), end=from_ms(REFERENCE * DAY), rows=REFERENCE * sum(SEGMENTS.values()), bins=BINS,
                    inputs=inputs)  # fmt: skip


def _segment_counts(rng: np.random.Generator, rows: int) -> dict[str, Counts]:
    """Return the counts of each variable, (slices, cells): as in the baseline, then changed a few slices later."""
    counts = {name: _counts(rng, name, rows, REFERENCE + LATER) for name in BINS}
    change = REFERENCE + 5
    counts["even"][change:, :5] //= 3  # a shift
    counts["metres"][change + 4 :] = np.eye(BINS["metres"].cells, dtype=np.int64)[-1] * rows  # in feet, or so
    counts["wobbling"][change + 9 :, -1] = rows // 2  # placeholders
    counts["rain"][change + 6 :, :-4] = 0  # all of it missing, later on
    counts["rain"][change + 6 :, BINS["rain"].body + 2] = rows
    counts["seldom"][change:, BINS["seldom"].body + 5] = rows // 2  # far values
    counts["words"][change + 3 :, :-2] = 0  # spelled anew
    counts["words"][change + 3 :, -2] = rows
    counts["flag"][change + 8 :] = [0, 0, 0, rows, 0]  # nothing in common
    counts[PREDICTION][change + 9 :] = 0  # stuck
    counts[PREDICTION][change + 9 :, 2] = rows
    return counts


def _counts(rng: np.random.Generator, name: str, rows: int, slices: int) -> Counts:
    bins, wobble = BINS[name], 0.3 if name == "wobbling" else 0.0
    if name == "never":
        return np.tile(np.eye(bins.cells, dtype=np.int64)[bins.body + 2] * rows, (slices, 1))
    weights = 1 / np.arange(1, bins.body + 1) if bins.kind == "categorical" else np.ones(bins.body)
    tilted = weights * np.exp(wobble * rng.standard_normal((slices, 1)) * np.linspace(-1, 1, bins.body))
    shares = tilted / tilted.sum(axis=1, keepdims=True)
    out = np.zeros((slices, bins.cells), np.int64)
    missing = rng.binomial(rows, 0.1 if name == "seldom" else 0.0, slices)
    out[:, bins.body + (2 if bins.kind == "numeric" else 1)] = missing
    out[:, : bins.body] = rng.multinomial(rows - missing, shares)
    if bins.kind == "numeric" and name in ("even", "rain"):
        beyond = rng.poisson(0.05, slices)
        out[:, bins.body + 1] += beyond
    return out
