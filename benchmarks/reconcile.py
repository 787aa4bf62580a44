"""Cost of one reconcile with nothing to do, in processor time a model, in the process of `leeway flows serve`.

    python -m benchmarks.reconcile [--models 5] [--looks 50]

Each look opens the project, sends alerts that are due, and reads from the registry what a reconcile would act on. It is
measured with no incident at all, and with an incident whose decision is deferred: both start no run. Beside it is what
a run costs before it does anything: a process that imports Prefect, scikit-learn and the rest.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from leeway import assembly, context
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from registry.incidents import ingest
from retrain_flows.orchestration.reconcile_loop import Progress, ReconcileLoop
from tests.support import registry_values as values

MODEL = """
  {name}:
    task: binary
    events: {{predictions: {{path: predictions}}, labels: {{path: labels}}}}
    features: {{x: numeric, c: categorical}}
    retrain: {{trainer: "train:make"}}
"""
DAY = timedelta(days=1)
WINDOWS = 60
"""Windows on record for each model: two months of one a day."""


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--looks", type=int, default=50)
    args = parser.parse_args()
    table = Table("what", "processor time a model, s", "longest, s")
    for what, deferred in (("a look, no incident", False), ("a look, a deferred decision", True)):
        with tempfile.TemporaryDirectory() as work:
            median, longest = measure(Path(work), args.models, args.looks, deferred=deferred)
            table.add_row(what, f"{median:.3f}", f"{longest:.3f}")
    table.add_row("a run, before it does anything", f"{start_of_a_run():.2f}", "")
    Console().print(table)


def measure(work: Path, models: int, looks: int, *, deferred: bool) -> tuple[float, float]:
    """Return the median and the longest processor time of a look, in seconds a model.

    Parameters
    ----------
    work
        An empty folder, for a project.
    models
        Number of models in it.
    looks
        Number of looks; the first one, which imports, is left out.
    deferred
        Whether each model has an incident whose decision is deferred.
    """
    names = [f"m{i}" for i in range(models)]
    _write(work, names, deferred=deferred)
    started: list[str] = []
    loop: ReconcileLoop[int] = ReconcileLoop(
        names, timedelta(minutes=1), waiting=partial(assembly.waiting, work), start=_noted(started),
        progress=lambda run: Progress.DONE, say=print,
    )  # fmt: skip
    loop.look(0.0)
    assert len(started) == (models if deferred else 0)
    times = []
    for look in range(1, looks + 1):
        before = time.process_time()
        loop.look(look)
        times.append((time.process_time() - before) / models)
    assert len(started) == (models if deferred else 0), "a look with nothing new has started a run"
    return statistics.median(times), max(times)


def start_of_a_run() -> float:
    """Return the processor time of a process that imports what a run imports, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "import leeway.flows.served"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _noted(started: list[str]) -> Callable[[str], int]:
    """Return a function that starts nothing, and appends the model to *started*."""

    def start(model: str) -> int:
        started.append(model)
        return len(started)

    return start


def _write(work: Path, names: list[str], *, deferred: bool) -> None:
    """Write a project whose models have two months of windows and, if *deferred*, an incident without a decision."""
    for role in ("predictions", "labels"):
        (work / role).mkdir()
    (work / "leeway.yaml").write_text("project: p\nmodels:" + "".join(MODEL.format(name=name) for name in names))
    with context.open(work) as opened:
        for name in names:
            values.champion(opened.registry, of=name)
            drifts = [Verdict.STEADY] * (WINDOWS - 1) + [Verdict.DRIFT if deferred else Verdict.STEADY]
            ingest.ingest(opened.registry, [_report(name, day, v) for day, v in enumerate(drifts)], now=values.NOW)


def _report(model: str, day: int, verdict: Verdict) -> Report:
    end = values.NOW + (day + 8) * DAY
    finding = Finding(
        signal=Signal.PERFORMANCE, variable="loss", window_verdict=verdict, metric="mean_loss_increase", effect=0.5,
        threshold=0.1, n=280, baseline_n=800,
    )  # fmt: skip
    return Report(
        model=model, version="v1", stage=Stage.OUTCOMES, window_start=end - 7 * DAY, window_end=end,
        baseline="0" * 64, rows=280, counts={}, findings=(finding,),
    )  # fmt: skip


if __name__ == "__main__":
    main()
