"""The error stream on real Flink: a doubled loss alarms at its record, equally in batch and streaming mode."""

from __future__ import annotations

import json
import random
import shutil
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.schema import EventSchema, FeatureKind, Task
from features.window import UTC, Windows, to_ms
from monitors.config import MonitorPolicy
from monitors.error_stream import detector_state, stream_findings
from monitors.finding import Finding, Stage
from monitors.flink import baseline_job, files_source_job, run_job
from monitors.job_spec import JobSpec
from monitors.profiles.side_channels import ERROR_STREAM
from monitors.report import Report
from registry.files import published_baselines

pytestmark = pytest.mark.slow

START = datetime(2024, 1, 1, tzinfo=UTC)
REPLAYED = START + timedelta(hours=32)
CHANGE = START + timedelta(hours=42, minutes=10)
END = START + timedelta(hours=52)
SCHEMA = EventSchema(
    model="m",
    task=Task.REGRESSION,
    features={"x": FeatureKind.NUMERIC},
    label_delay=timedelta(hours=2),
    windows=Windows(size=timedelta(hours=12), slide=timedelta(hours=2), watermark_delay=timedelta(hours=1)),
)
WATCHING = MonitorPolicy(bins=5, top=3, error_stream="page_hinkley")
QUIET, WORSE = "v1", "v2"
PATIENCE_SECONDS = 60
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


def write(directory: Path, rows: list[dict[str, Any]], seed: int) -> None:
    """Write *rows* in files of the hours that they belong to, 120 each, shuffled within it."""
    directory.mkdir(parents=True)
    for hour in range(len(rows) // 120):
        some = rows[120 * hour : 120 * (hour + 1)]
        random.Random(seed + hour).shuffle(some)
        (directory / f"{hour:03}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))


@dataclass(frozen=True)
class World:
    """All events under *root*, and the baselines of both versions."""

    root: Path

    def spec(self, start: datetime | None = None) -> JobSpec:
        """Return what workers need to know of predictions from *start* on."""
        return JobSpec(SCHEMA, WATCHING, str(self.root / "baselines" / "m"), to_ms(start) if start else None)

    def directories(self) -> files_source_job.Directories:
        """Return where the events are."""
        return files_source_job.Directories(self.root / "predictions", self.root / "labels")

    def batch(self, start: datetime | None = None) -> list[Report]:
        """Return the reports of a batch run over predictions from *start* on."""
        return list(run_job.run_once(self.spec(start), self.directories(), self.root / "logs").reports)

    def follow(self, number: int) -> list[Report]:
        """Return the *number* of reports of a job that follows the events hour by hour, and is stopped once midway.

        Raises TimeoutError if they do not come.
        """
        inbox, found = files_source_job.Directories(self.root / "in" / "predictions", self.root / "in" / "labels"), {}
        hours = sorted(self.directories().predictions.glob("*"))
        for some, wanted in ((hours[:40], 1), (hours[40:], number)):
            job, committed = run_job.start(self.spec(), inbox, self.root / "state", "job")
            for path in some:
                self._deliver(path.name)
                time.sleep(0.05)
            last = time.monotonic() + PATIENCE_SECONDS
            while len(found) < wanted:
                if time.monotonic() > last:
                    raise TimeoutError
                job.check()
                committed.reports(lambda lines: found.update({r.key: r for r in map(_report, lines)}))
                time.sleep(0.1)
            job.stop()
        return [found[key] for key in sorted(found)]

    def _deliver(self, hour: str) -> None:
        """Let the labels and then the predictions of an *hour* appear, each file at once."""
        for role in ("labels", "predictions"):
            folder = self.root / "in" / role
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.root / role / hour, folder / f".{hour}")
            (folder / f".{hour}").rename(folder / hour)


def _report(line: str) -> Report:
    return Report.model_validate_json(line)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Report]]:
    """The events through the job in batch and in streaming mode, and the later ones once more."""
    world = World(tmp_path_factory.mktemp("world"))
    predictions, labels = events()
    write(world.root / "predictions", predictions, 1)
    write(world.root / "labels", labels, 2)
    baseline = baseline_job.run(
        SCHEMA, WATCHING, version=QUIET, predictions=world.root / "predictions", labels=world.root / "labels",
        start=START, end=START + timedelta(hours=12), logs=world.root / "logs",
    )  # fmt: skip
    for version in (QUIET, WORSE):
        published_baselines.publish_baseline(baseline.model_copy(update={"version": version}), world.root / "baselines")
    batch = world.batch()
    again = world.batch(stream_findings.read_from(SCHEMA.windows, REPLAYED))
    return {"batch": batch, "stream": world.follow(len(batch)), "replay": again}


def told(reports: list[Report]) -> list[tuple[Report, Finding]]:
    """Return the findings on the error stream, with their reports."""
    return [(r, f) for r in reports for f in r.findings if f.variable == ERROR_STREAM]


def test_a_loss_that_doubles_is_told_within_some_hundred_records(reports: dict[str, list[Report]]) -> None:
    """The one finding is on the version that got worse, in the window whose newest slice has the record."""
    (report, finding), *more = told(reports["batch"])
    _, after_ms, records, before, after = report.newest_slice[ERROR_STREAM]
    at = to_ms(report.window_end - SCHEMA.windows.slide) + after_ms

    assert [] == more
    assert (WORSE, False) == (report.version, finding.guaranteed)
    assert 0 < (at - to_ms(CHANGE)) // 60_000 <= WITHIN
    assert detector_state.WARM_UP_LOSSES < records
    assert after > 1.5 * before


def test_batch_and_stream_tell_the_same_bit_for_bit(reports: dict[str, list[Report]]) -> None:
    """Whatever order and portions the rows came in, and though the job went on from a checkpoint."""
    assert [r.digest for r in reports["batch"]] == [r.digest for r in reports["stream"]]


def test_an_audit_of_a_period_finds_the_same(reports: dict[str, list[Report]]) -> None:
    """Who reads no further back than the detector remembers has the same windows of the period, bit for bit."""
    then, again = ([r.digest for r in reports[run] if r.window_start >= REPLAYED] for run in ("batch", "replay"))

    assert again == then != []
    assert told([r for r in reports["replay"] if r.window_start >= REPLAYED])


def test_all_else_is_counted_as_ever(reports: dict[str, list[Report]]) -> None:
    """Each prediction is in one slice's outcomes, once, with its label; nothing but the newest cells is new."""
    outcomes = [r for r in reports["batch"] if r.stage is Stage.OUTCOMES]

    assert {(720, 0)} == {tuple(r.counts["coverage"]) for r in outcomes if r.window_start >= START}
    assert {("coverage", ERROR_STREAM, "label", "loss")} == {tuple(r.counts) for r in outcomes}
    assert all(ERROR_STREAM not in r.counts for r in reports["batch"] if r.stage is Stage.INPUTS)
