"""The error stream on real Flink: a loss that doubles is told at its record, alike in batch and in streaming mode."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.schema import EventSchema, Kind, Task
from features.window import UTC, Windows, to_ms
from monitors import baseline_job, error_watch, files_job, run_job, worker
from monitors.error_stream import VARIABLE
from monitors.policy import MonitorPolicy
from monitors.report import Finding, Report, Stage
from registry import publish

pytestmark = pytest.mark.slow

START = datetime(2024, 1, 1, tzinfo=UTC)
CHANGE = START + timedelta(hours=42, minutes=10)
END = START + timedelta(hours=52)
SCHEMA = EventSchema(
    model="m",
    task=Task.REGRESSION,
    features={"x": Kind.NUMERIC},
    label_delay=timedelta(hours=2),
    windows=Windows(size=timedelta(hours=12), slide=timedelta(hours=2), watermark_delay=timedelta(hours=1)),
)
PLAIN = MonitorPolicy(bins=5, top=3)
WATCHING = MonitorPolicy(bins=5, top=3, error_stream="page_hinkley")
QUIET, WORSE = "v1", "v2"
WITHIN = 300
"""Records after the change by which it must be told; the median by the benchmark is 139."""


def events() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return predictions, one a minute and version, and their labels; errors of one version grow after the change."""
    rng, predictions, labels = np.random.default_rng(5), [], []
    for i in range(int((END - START) / timedelta(minutes=1))):
        at = START + timedelta(minutes=i)
        for version in (QUIET, WORSE):
            x, scale = float(rng.normal()), 2**0.5 if version == WORSE and at >= CHANGE else 1.0
            name, said = f"{version}-{i}", round(x, 4)
            predictions.append({"id": name, "time": to_ms(at), "model_version": version, "x": said, "prediction": said})
            known = at + timedelta(minutes=float(rng.uniform(1, 110)))
            label = round(x + scale * float(rng.normal()), 4)
            labels.append({"id": name, "time": to_ms(known), "label": label})
    return predictions, labels


def write(directory: Path, rows: list[dict[str, Any]], seed: int) -> Path:
    """Write *rows* as a file an hour of their times, shuffled within it."""
    directory.mkdir(parents=True)
    hours: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        hours.setdefault(row["time"] // 3_600_000, []).append(row)
    for hour, some in hours.items():
        random.Random(seed + hour).shuffle(some)
        (directory / f"{hour}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    return directory


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Report, ...]]:
    """The events through the job with a detector in batch and in streaming mode, and without one."""
    root = tmp_path_factory.mktemp("world")
    predictions, labels = events()
    places = files_job.Directories(write(root / "predictions", predictions, 1), write(root / "labels", labels, 2))
    baseline = baseline_job.run(
        SCHEMA, WATCHING, version=QUIET, predictions=root / "predictions", labels=root / "labels",
        start=START, end=START + timedelta(hours=12), logs=root / "logs",
    )  # fmt: skip
    for version in (QUIET, WORSE):
        publish.publish_baseline(baseline.model_copy(update={"version": version}), root / "baselines")

    def run(policy: MonitorPolicy, *, streaming: bool) -> tuple[Report, ...]:
        spec = worker.Spec(SCHEMA, policy, str(root / "baselines" / "m"))
        return run_job.run_once(spec, places, root / "logs", streaming=streaming).reports

    return {
        "batch": run(WATCHING, streaming=False),
        "stream": run(WATCHING, streaming=True),
        "plain": run(PLAIN, streaming=False),
    }


def told(reports: tuple[Report, ...]) -> list[tuple[Report, Finding]]:
    """Return the findings on the error stream, with their reports."""
    return [(r, f) for r in reports for f in r.findings if f.variable == VARIABLE]


def test_a_loss_that_doubles_is_told_within_some_hundred_records(reports: dict[str, tuple[Report, ...]]) -> None:
    """The one finding is on the version that got worse, in the window whose newest slice has the record."""
    (report, finding), *more = told(reports["batch"])
    _, after_ms, records, before, after = report.newest[VARIABLE]
    at = to_ms(report.window_end - SCHEMA.windows.slide) + after_ms

    assert [] == more
    assert (WORSE, False) == (report.version, finding.promised)
    assert 0 < (at - to_ms(CHANGE)) // 60_000 <= WITHIN
    assert error_watch.LEARN < records
    assert after > 1.5 * before


def test_batch_and_stream_tell_the_same_bit_for_bit(reports: dict[str, tuple[Report, ...]]) -> None:
    """Whatever order and portions the rows came in."""
    assert [r.digest for r in reports["batch"]] == [r.digest for r in reports["stream"]]


def test_all_else_is_as_without_a_detector(reports: dict[str, tuple[Report, ...]]) -> None:
    """The other counts and findings are those of a job that knows of no error stream."""
    assert [_without(r) for r in reports["batch"]] == list(reports["plain"])
    assert all(VARIABLE in r.counts for r in reports["batch"] if r.stage is Stage.OUTCOMES)


def _without(report: Report) -> Report:
    counts, newest = ({n: c for n, c in said.items() if n != VARIABLE} for said in (report.counts, report.newest))
    findings = tuple(f for f in report.findings if f.variable != VARIABLE)
    return report.model_copy(update={"counts": counts, "newest": newest, "findings": findings})
