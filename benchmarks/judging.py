"""Time and memory of judging windows: `python -m benchmarks.judging [--features 25] [--segments 100] [--write]`.

What a replay and a monitor do with each window once it is counted: findings by the window alone
(:func:`.window_verdict.judge`), then verdicts over time (:func:`.monitor.judge`). Every segment has rows of its own
number, from 60 a slice up, so no two have equal sample sizes. The first window of a segment prepares its reference and
its monitoring plan, and draws nulls; later ones are what a judge's rate is. Beside it is a fixed loop of numpy on small
arrays and plain Python, timed before and after, so that machines can be told apart. Seeded.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import judging_page
from benchmarks.judging_page import Cost
from features.schema import PREDICTION, EventSchema, FeatureKind, Task
from features.window import Windows, from_ms
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.report import Report
from monitors.sequential import monitor
from monitors.sequential.monitoring_plan import MonitoringPlan, MonitorState
from monitors.stats.bins import Bins, CategoricalBins, Counts, NumericBins
from monitors.verdicts import plan, window_verdict

DAY, REFERENCE, WINDOW = 86_400_000, 60, 7
POLICY = MonitorPolicy()
WORDS = 12
"""Words of a categorical feature; one feature in five is one."""
LOOPS = 20_000
"""How often the loop is gone through that tells how fast a machine is."""


@dataclass(frozen=True, eq=False)
class Model:
    """One model's baseline, and the counts of all slices, (slices, cells), by segment and variable."""

    baseline: Baseline
    counts: Mapping[str, Mapping[str, Counts]]


def model(features: int, segments: int, slices: int, seed: int) -> Model:
    """Return a model whose segments have from 60 rows a slice up, by Zipf's law."""
    rng = np.random.default_rng([5, seed])
    names = [f"x{i}" for i in range(features)]
    bins: dict[str, Bins] = {name: _bins(i) for i, name in enumerate(names)} | {PREDICTION: _bins(0)}
    segment_names = ["", *(f"place={k}" for k in range(segments - 1))]
    rows = [60 + 20_000 // (k + 1) + k for k in range(segments)]
    counts = {
        segment: {name: _counts(rng, bins[name], n, slices) for name in bins}
        for segment, n in zip(segment_names, rows, strict=True)
    }
    kinds = {name: FeatureKind(bins[name].kind) for name in names}
    schema = EventSchema(model=f"m{seed}", task=Task.BINARY, features=kinds, windows=Windows(
        size=timedelta(days=WINDOW), slide=timedelta(days=1)))  # fmt: skip
    inputs = tuple(Slice(start=k * DAY, segment=segment, counts={v: c[k].tolist() for v, c in of.items()})
                   for segment, of in counts.items() for k in range(REFERENCE))  # fmt: skip
    total = sum(int(of[PREDICTION][:REFERENCE].sum()) for of in counts.values())
    baseline = Baseline(events=schema, version="v1", start=from_ms(0), end=from_ms(REFERENCE * DAY), rows=total,
                        bins=bins, inputs=inputs)  # fmt: skip
    return Model(baseline, counts)


def _bins(at: int) -> Bins:
    if at % 5 == 4:
        return CategoricalBins(categories=tuple(map(str, range(WORDS))))
    return NumericBins(edges=tuple(float(e) for e in range(11)), mean=5.0, sd=2.9)


def _counts(rng: np.random.Generator, bins: Bins, rows: int, slices: int) -> Counts:
    shares = np.full(10, 0.1) if isinstance(bins, NumericBins) else 1 / np.arange(1, WORDS + 1)
    drawn = rng.multinomial(rows, shares / shares.sum(), slices)
    return np.pad(drawn, ((0, 0), (0, bins.cells - drawn.shape[1])))


@dataclass(eq=False)
class Judge:
    """Judges the windows of a model in order, each series by its own monitoring plan and state."""

    model: Model
    plans: dict[str, MonitoringPlan]
    states: dict[str, MonitorState]

    def judge(self, end: int) -> Iterator[Report]:
        """Yield the report of every segment on the window that ends before slice *end*."""
        baseline, start = self.model.baseline, (end - WINDOW) * DAY
        for segment, of in self.model.counts.items():
            counts = {v: c[end - WINDOW : end].sum(axis=0).tolist() for v, c in of.items()}
            newest = {v: c[end - 1].tolist() for v, c in of.items()}
            findings = window_verdict.judge(
                baseline, POLICY, stage=Stage.INPUTS, segment=segment, window_slices=WINDOW, start_ms=start,
                counts=counts, newest=newest, slices_with_events=WINDOW,
            )  # fmt: skip
            report = Report(
                model=baseline.events.model, version="v1", segment=segment, stage=Stage.INPUTS,
                window_start=from_ms(start), window_end=from_ms(end * DAY), baseline="",
                rows=sum(counts[PREDICTION]), counts=counts, newest_slice=newest, findings=findings,
            )  # fmt: skip
            if segment not in self.plans:
                self.plans[segment] = plan.monitoring_plan(baseline, POLICY, Stage.INPUTS, segment)
                self.states[segment] = monitor.initial_state(self.plans[segment])
            self.states[segment], judged = monitor.judge(self.plans[segment], self.states[segment], report)
            yield judged


def loop() -> float:
    """Return the processor seconds of one turn of a fixed loop: as judging, numpy on a dozen cells and plain Python."""
    cells = 1.0 + np.arange(25 * 12).reshape(25, 12)
    began = time.process_time()
    for _ in range(LOOPS):
        shares = cells / cells.sum(axis=1, keepdims=True)
        total = np.sqrt(shares).sum(axis=1).tolist()
        dict(zip(map(str, range(25)), total, strict=True))
    return (time.process_time() - began) / LOOPS


def measured(models: int, features: int, segments: int, windows: int) -> Cost:
    """Return what judging costs: of each segment of each model a first window, then so many *windows*."""
    judges = [Judge(model(features, segments, REFERENCE + windows + 1, k), {}, {}) for k in range(models)]

    def look(end: int) -> float:
        began = time.process_time()
        assert all(len(report.findings) > features for judge in judges for report in judge.judge(end))
        return time.process_time() - began

    first, before = look(REFERENCE + 1), loop()
    later = sum(look(REFERENCE + 2 + k) for k in range(windows))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Cost(first, later, windows * segments * models, peak, (before + loop()) / 2)


def main() -> None:
    """Measure and print one case, or all of the page, each in a process of its own, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("features", 25), ("segments", 100), ("models", 1), ("windows", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--write", action="store_true", help="measure all cases, and write docs/statistics/judging.md")
    args = parser.parse_args()
    if args.write:
        judging_page.PAGE.write_text(judging_page.page([(case, _in_process(case)) for case in judging_page.CASES]))
        return
    cost = measured(args.models, args.features, args.segments, args.windows)
    if args.json:
        print(json.dumps(asdict(cost)))
        return
    series = args.models * args.segments
    table = Table("what", "figure", box=None, title=f"{args.models} models, {args.features:,} features, "
                  f"{args.segments:,} segments, {REFERENCE} reference slices, windows of {WINDOW}")  # fmt: skip
    table.add_row("first window of a segment", f"{1000 * cost.first / series:,.1f} ms")
    table.add_row("later windows", f"{1000 * cost.later / cost.windows:,.2f} ms")
    table.add_row("windows a second of processor time", f"{cost.windows / cost.later:,.0f}")
    table.add_row("one in turns of the loop", f"{cost.later / cost.windows / cost.loop:,.0f}")
    table.add_row("turns of the loop a second", f"{1 / cost.loop:,.0f}")
    table.add_row("peak memory", f"{cost.peak:,.0f} MiB")
    Console().print(table)


def _in_process(case: judging_page.Case) -> Cost:
    """Return what a case costs, in a process of its own, whose peak of memory is the case's."""
    numbers = [f"--{name}={number}" for name, number in asdict(case).items()]
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.judging", "--json", *numbers], check=True, capture_output=True, text=True
    )
    print(case, run.stdout, end="", flush=True)
    return Cost(**json.loads(run.stdout))


if __name__ == "__main__":
    main()
