"""The profile job on real Flink: batch, stream and plain numpy agree on all integers, in any order of events."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features import errors
from features.events import decode
from features.schema import LATE, UNUSABLE, EventSchema, FeatureKind, Task
from features.window import UTC, Windows, to_ms
from monitors.baseline.baseline import Baseline, Renewal
from monitors.config import MonitorPolicy
from monitors.finding import Signal, Stage
from monitors.flink import baseline_job, files_source_job, run_job
from monitors.flink.committed_output import CommittedFiles
from monitors.in_process import baselines, windows
from monitors.in_process import slices as counted_slices
from monitors.job_spec import JobSpec
from monitors.profiles import counting
from monitors.profiles.side_channels import OF_REFUSED
from monitors.report import Report
from registry.files import published_baselines

pytestmark = pytest.mark.slow

START = datetime(2024, 1, 1, tzinfo=UTC)
SCHEMA = EventSchema(
    model="m",
    task=Task.BINARY,
    features={"x": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL},
    segments=("c",),
    label_delay=timedelta(hours=6),
    windows=Windows(size=timedelta(hours=6), slide=timedelta(hours=2), watermark_delay=timedelta(hours=1)),
)
POLICY = MonitorPolicy(bins=5, top=3)


def event(i: int, at: datetime, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a prediction and its label; every 50th has no x, every 70th an x that is not finite."""
    x = None if i % 50 == 0 else float("inf") if i % 70 == 0 else round(float(rng.normal()), 3)
    prediction = {"id": f"e{i}", "time": to_ms(at), "model_version": "v1", "x": x, "c": str(rng.choice(list("abcd"))),
                  "prediction": round(float(rng.uniform(0.01, 0.99)), 4)}  # fmt: skip
    known = at + timedelta(minutes=float(rng.uniform(1, 500)))  # some after the label delay
    return prediction, {"id": f"e{i}", "time": to_ms(known), "label": int(rng.random() < prediction["prediction"])}


def write(directory: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """Write *rows* as a file that appears at once."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f".{name}").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (directory / f".{name}").rename(directory / f"{name}.jsonl")


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of events, an hour a file, shuffled within the hour, some an hour late, one in 20 delivered twice."""
    root, rng, shuffle = tmp_path_factory.mktemp("events"), np.random.default_rng(7), random.Random(7)
    hours: dict[int, list[dict[str, Any]]] = {h: [] for h in range(74)}
    labels: dict[int, list[dict[str, Any]]] = {h: [] for h in range(90)}
    for i in range(72 * 40):
        at = START + timedelta(minutes=1.5 * i)
        prediction, label = event(i, at, rng)
        hour = i // 40 + (1 if i % 33 == 0 else 0)  # late, within the watermark delay
        hours[hour] += [prediction] * (2 if i % 20 == 0 else 1)
        if i % 9:
            labels[int((label["time"] - to_ms(START)) // 3_600_000)] += [label] * (2 if i % 13 == 0 else 1)
    for hour, rows in hours.items():
        shuffle.shuffle(rows)
        write(root / "predictions", f"{hour:03}", rows)
    for hour, rows in labels.items():
        write(root / "labels", f"{hour:03}", rows)
    with (root / "predictions" / "010.jsonl").open("a") as file:
        file.write('{"id": "bad", "time": "soon"}\nnot json\n')
    write(root / "predictions", "099", [{**event(0, START + timedelta(hours=100), rng)[0], "id": "last"}])
    return root


@pytest.fixture(scope="module")
def published(events: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Baseline, Path]:
    """The baseline of the first day, where a job can read it."""
    state = tmp_path_factory.mktemp("state")
    baseline = baseline_job.run(
        SCHEMA, POLICY, version="v1", predictions=events / "predictions", labels=events / "labels",
        start=START, end=START + timedelta(days=1), logs=state / "logs",
    )  # fmt: skip
    published_baselines.publish_baseline(baseline, state / "baselines")
    return baseline, state


@pytest.fixture(scope="module")
def runs(events: Path, published: tuple[Baseline, Path]) -> dict[str, run_job.Outcome]:
    """The same events through the job in batch and in streaming mode."""
    spec, directories = _spec(published), _directories(events)
    logs = published[1] / "logs"
    return {
        "batch": run_job.run_once(spec, directories, logs),
        "stream": run_job.run_once(spec, directories, logs, streaming=True),
    }


def _spec(published: tuple[Baseline, Path]) -> JobSpec:
    baseline, state = published
    return JobSpec(SCHEMA, POLICY, str(state / "baselines" / "m"), digests={"v1": [baseline.digest]})


def _directories(events: Path) -> files_source_job.Directories:
    return files_source_job.Directories(events / "predictions", events / "labels")


def test_batch_and_stream_report_the_same_bit_for_bit(runs: dict[str, run_job.Outcome]) -> None:
    """Every report of the stream equals the batch's: counts, findings and digest."""
    assert len(runs["batch"].reports) > 100
    assert [r.digest for r in runs["batch"].reports] == [r.digest for r in runs["stream"].reports]


def test_a_job_ends_in_words_on_a_baseline_that_was_edited(
    events: Path, published: tuple[Baseline, Path], tmp_path: Path
) -> None:
    """It counts nothing by bins that nobody registered, and names the file and the way out of it."""
    baseline, _ = published
    path = published_baselines.publish_baseline(baseline.model_copy(update={"rows": baseline.rows + 1}), tmp_path)
    spec = replace(_spec(published), baselines=str(path.parent))

    with pytest.raises(errors.EngineError, match=r"v1\.json is not what was registered"):
        run_job.run_once(spec, _directories(events), tmp_path / "logs")


def test_a_renewed_baseline_is_taken_by_the_windows_that_it_is_valid_for(
    events: Path, published: tuple[Baseline, Path], runs: dict[str, run_job.Outcome], tmp_path: Path
) -> None:
    """A job that was submitted before reads it; its counts are the same, and each report names its revision."""
    first, (moment, later) = published[0], (START + timedelta(hours=36), START + timedelta(hours=48))
    valid_from = {Stage.INPUTS: moment, Stage.OUTCOMES: later}
    renewal = Renewal(revision=2, renews=first.digest, before=first.end, since=first.end, valid_from=valid_from)
    second = first.model_copy(update={"renewal": renewal})
    for revision in (first, second):
        published_baselines.publish_baseline(revision, tmp_path / "baselines")
    spec = replace(_spec(published), baselines=str(tmp_path / "baselines" / "m"))
    made = run_job.run_once(spec, _directories(events), tmp_path / "logs").reports

    assert [r.counts for r in runs["batch"].reports] == [r.counts for r in made]
    named = {(r.baseline, r.window_end > valid_from[r.stage]) for r in made}
    assert {(first.digest, False), (second.digest, True)} == named


def test_input_counts_equal_plain_numpy(
    events: Path, published: tuple[Baseline, Path], runs: dict[str, run_job.Outcome]
) -> None:
    """A window's cells are what a loop over its events gives: late and repeated deliveries are in it."""
    table = decode.read_events(SCHEMA, "predictions", events / "predictions").table
    cells = list(counting.count_inputs(SCHEMA, {"v1": published[0].frozen}, table))
    for report in (r for r in runs["batch"].reports if r.stage is Stage.INPUTS):
        inside = [
            (c.cell, c.n)
            for c in cells
            if c.segment == report.segment and to_ms(report.window_start) <= c.start < to_ms(report.window_end)
        ]
        counted = counting.layout(SCHEMA, published[0].frozen, Stage.INPUTS).row(inside)
        assert not any(counted.pop(UNUSABLE))  # records that are no rows: the loop has none
        assert counted == {name: row for name, row in report.counts.items() if name != UNUSABLE}


def test_what_is_made_of_other_variables_is_counted_and_judged(
    published: tuple[Baseline, Path], runs: dict[str, run_job.Outcome]
) -> None:
    """The baseline learned from its labels; each window tells how features go together and which loss to expect."""
    derived = published[0].derived
    found = [{f.signal for f in r.findings} for r in runs["stream"].reports if r.stage is Stage.INPUTS]

    assert derived.projection is not None
    assert derived.estimate is not None
    assert all({Signal.MULTIVARIATE, Signal.ESTIMATE} <= signals for signals in found)
    for report in (r for r in runs["stream"].reports if r.stage is Stage.INPUTS):
        assert report.rows == sum(report.counts["multivariate"]) == sum(report.counts["score_grid"])


def test_outcomes_count_each_prediction_once_with_the_label_it_had_in_time(
    events: Path, runs: dict[str, run_job.Outcome]
) -> None:
    """Coverage is one row a prediction, labelled where its label came within the label delay."""
    known: dict[str, int] = {}
    for row in decode.read_events(SCHEMA, "labels", events / "labels").table.to_pylist():
        known[row["id"]] = row["time"]
    times = {
        r["id"]: r["time"] for r in decode.read_events(SCHEMA, "predictions", events / "predictions").table.to_pylist()
    }
    delay = to_ms(SCHEMA.label_delay)
    reports = [r for r in runs["stream"].reports if r.stage is Stage.OUTCOMES and not r.segment]
    assert len(reports) > 20
    for report in reports:
        seen = Counter(
            i in known and known[i] <= t + delay
            for i, t in times.items()
            if to_ms(report.window_start) <= t < to_ms(report.window_end)
        )
        assert [seen[True], seen[False]] == report.counts["coverage"]


def test_a_window_is_the_sum_of_the_newest_slices_of_the_windows_that_end_in_it(
    runs: dict[str, run_job.Outcome],
) -> None:
    """Each report tells its last slice too, and slices add up to windows: what time-wise verdicts rest on."""
    reports = [r for r in runs["stream"].reports if r.stage is Stage.INPUTS and r.segment == ""]
    for whole in reports:
        inside = [r.newest_slice["x"] for r in reports if whole.window_start < r.window_end <= whole.window_end]
        assert np.sum(inside, axis=0).tolist() == whole.counts["x"]


def test_segments_add_up_to_all_traffic(runs: dict[str, run_job.Outcome]) -> None:
    """In every window and stage the segments' rows sum to the rows of all traffic."""
    total: Counter[tuple[Stage, datetime]] = Counter()
    parts: Counter[tuple[Stage, datetime]] = Counter()
    for r in runs["batch"].reports:
        (parts if r.segment else total)[r.stage, r.window_start] += r.rows

    assert total == parts


def test_bad_records_are_dead_letters_and_nothing_else_stops(runs: dict[str, run_job.Outcome]) -> None:
    """A line that is no JSON and one without a time are set aside with file and line, in both modes."""
    for outcome in runs.values():
        found = sorted((Path(r["path"]).name, r["reason"].split(" (")[0].split(":")[0]) for r in outcome.rejects)
        assert [("010.jsonl", "not JSON"), ("010.jsonl", "time is not a time")] == found


def test_the_baseline_holds_the_period_and_no_more(published: tuple[Baseline, Path]) -> None:
    """The first day's slices are there, 12 of 2 hours; rows and counts agree; outcomes are counted too."""
    baseline, _ = published
    inputs = baseline.slices(Stage.INPUTS)

    assert [to_ms(START) + 7_200_000 * i for i in range(12)] == [s.start for s in inputs]
    assert baseline.rows == sum(sum(s.counts["x"]) for s in inputs)
    assert 12 == len(baseline.slices(Stage.OUTCOMES))
    assert {"", "c=a", "c=b", "c=c", "c=(other)"} >= {s.segment for s in baseline.inputs}


def test_predictions_that_come_too_late_are_a_fault_of_the_window_that_was_open(
    published: tuple[Baseline, Path], tmp_path: Path
) -> None:
    """In no window of their own time; counted in each window over the slice that was open when they came."""
    rng, inbox = np.random.default_rng(3), files_source_job.Directories(tmp_path / "predictions")
    job, committed = run_job.start(_spec(published), inbox, tmp_path / "state", "late")
    found: dict[datetime, Report] = {}
    try:
        for name, first, minutes in (("0", 0, 600), ("1", 60, 60), ("2", 600, 600), ("3", 1_500, 1)):
            at = (START + timedelta(minutes=first + 1.5 * i) for i in range(int(minutes / 1.5) or 1))
            made = [event(10_000 * int(name) + i, time, rng)[0] for i, time in enumerate(at)]
            write(inbox.predictions, name, made)
            _wait_for(job, committed, found, START + timedelta(minutes=first + minutes - 240))
    finally:
        job.stop()

    opened = START + timedelta(hours=8)
    assert {at: r.counts[LATE] for at, r in found.items() if at <= START + timedelta(hours=16)} == {
        at: [40 if opened < at <= opened + SCHEMA.windows.size else 0]
        for at in (START + timedelta(hours=h) for h in range(2, 18, 2))
    }
    assert 80 == found[START + timedelta(hours=2)].rows
    assert [f.metric for f in found[opened + timedelta(hours=2)].findings if f.variable == "*"] == ["late_share"]


def _wait_for(job: run_job.Running, committed: CommittedFiles, found: dict[datetime, Report], until: datetime) -> None:
    """Take in reports on all traffic until that of the window which ends at *until*, or the last before it."""
    give_up = time.monotonic() + 90
    while until > START + timedelta(hours=2) and max(found, default=START) < until - timedelta(hours=2):
        assert time.monotonic() < give_up, f"no report on a window until {until}"
        job.check()
        committed.reports(lambda lines: _keep(found, lines))
        time.sleep(0.1)


def _keep(found: dict[datetime, Report], lines: list[str]) -> None:
    reports = [Report.model_validate_json(line) for line in lines]
    found.update({r.window_end: r for r in reports if not r.segment})


def _readable(counts: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Return the counts but for the cells of refused records, which are no rows of the decoded events."""
    return {name: list(row) for name, row in counts.items() if name not in OF_REFUSED}


def test_a_baseline_made_in_this_process_equals_flinks(events: Path, published: tuple[Baseline, Path]) -> None:
    """Bins, derived variables, and every slice of both stages."""
    own = baselines.run(
        SCHEMA, POLICY, version="v1", predictions=events / "predictions", labels=events / "labels",
        start=START, end=START + timedelta(days=1),
    )  # fmt: skip
    of_flink = published[0]
    assert (of_flink.bins, of_flink.derived, of_flink.rows) == (own.bins, own.derived, own.rows)
    for stage in Stage:
        pairs = [{(s.start, s.segment): _readable(s.counts) for s in b.slices(stage)} for b in (of_flink, own)]
        assert pairs[0] == pairs[1]


def test_windows_counted_in_this_process_equal_flinks(
    events: Path, published: tuple[Baseline, Path], runs: dict[str, run_job.Outcome]
) -> None:
    """Every report of both stages and all segments has the same counts, findings and rows.

    The two differ at the ends alone: Flink reports no window that is not over by the newest event's time, and this
    process none that ends after the last slice of its segment.
    """
    frozen = published[0].frozen
    made, known = (decode.read_events(SCHEMA, r, events / r).table for r in ("predictions", "labels"))
    slices = {
        Stage.INPUTS: counted_slices.count_inputs(SCHEMA, frozen, made),
        Stage.OUTCOMES: counted_slices.count_outcomes(SCHEMA, frozen, made, known),
    }
    own = {(r.stage, r.segment, r.window_start): r for stage, counted in slices.items()
           for r in windows.reports(_spec(published), "v1", stage, counted)}  # fmt: skip
    of_flink = {(r.stage, r.segment, r.window_start): r for r in runs["batch"].reports}
    last = {(stage, s.segment): s.start for stage, counted in slices.items() for s in counted}
    over = {k for k, r in of_flink.items() if to_ms(r.window_end) <= last[k[:2]] + to_ms(SCHEMA.windows.slide)}
    assert len(over) > 100
    newest = START + timedelta(hours=100)
    assert over == {k for k, r in own.items() if r.window_end <= newest}
    for key in over:
        report = of_flink[key]
        assert _readable(report.counts) == _readable(own[key].counts)
        assert (report.rows, _judged(report)) == (own[key].rows, _judged(own[key]))


def _judged(report: Report) -> list[tuple[str, str, str, float | None]]:
    """Return what was found of variables, but for those of refused records."""
    found = [f for f in report.findings if f.variable != "*" and f.signal is not Signal.QUALITY]
    return sorted((f.signal.value, f.variable, f.window_verdict.value, f.effect) for f in found)
