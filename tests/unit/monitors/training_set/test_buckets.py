"""Buckets of a training set: however many there are, and wherever they are joined, the rows are the same."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from features.events import decode
from features.window import from_ms, to_ms
from monitors.in_process import training_set_runner
from monitors.training_set import built
from monitors.training_set.buckets import SetPlan
from monitors.training_set.built import BuiltSet
from monitors.training_set.join import LABEL_TIME, labelled
from monitors.training_set.parts import Sources, Survey, survey
from monitors.training_set.period import TrainingPeriod
from tests.support import labelled_log as log


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Return the places of a log."""
    return log.write(tmp_path_factory.mktemp("log"))


def build(
    wanted: TrainingPeriod, sources: Sources, folder: Path, buckets: int, monkeypatch: pytest.MonkeyPatch
) -> BuiltSet:
    """Build a set in about so many buckets, with runs in small batches."""
    monkeypatch.setattr("monitors.training_set.buckets.RUN_BATCH", 7)
    monkeypatch.setattr(built, "BUCKET_ROWS", log.HOURS * log.PER_HOUR // buckets)
    return built.build(wanted, survey(wanted, sources, Survey()).needed(wanted), folder, training_set_runner.run)


@pytest.mark.parametrize("buckets", [1, 2, 9])
def test_many_buckets_hold_what_one_join_of_all_gives(
    sources: Sources, tmp_path: Path, buckets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same order, with the same counts."""
    wanted = log.training_period(5, 40, barred=((8, 9), (20, 22)))
    found = build(wanted, sources, tmp_path, buckets, monkeypatch)
    predictions, labels = (decode.read_events(log.SCHEMA, role, place).table for role, place in sources)
    rows, counts = labelled(wanted, predictions, labels)
    assert (rows.combine_chunks(), counts) == (pa.concat_tables(found.tables()).combine_chunks(), found.counts)
    assert min(counts.repeated, counts.unlabelled, counts.barred) > 0
    assert len(list(tmp_path.glob("runs/*"))) >= min(buckets, 2)


def test_the_rows_are_those_of_a_plain_reading_of_the_rules(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earliest prediction of an id, with the newest label that came within the label delay."""
    made, known = (
        [json.loads(line) for path in sorted(Path(str(place)).iterdir()) for line in path.read_text().splitlines()
         if line != "not json" and "never" not in line]
        for _, place in sources
    )  # fmt: skip
    expected, delay = {}, to_ms(log.SCHEMA.label_delay)
    for event in sorted(made, key=lambda e: e["time"], reverse=True):
        times = [(k["time"], k["label"]) for k in known
                 if k["id"] == event["id"] and 0 <= k["time"] - event["time"] <= delay]  # fmt: skip
        expected[event["id"]] = (event["time"], *max(times, default=(0, 2)))
    found = pa.concat_tables(build(log.training_period(), sources, tmp_path, 4, monkeypatch).tables())
    columns = [found[name].to_pylist() for name in ("id", "time", LABEL_TIME, "label")]
    rows = {row[0]: row[1:] for row in zip(*columns, strict=True)}
    assert {name: row for name, row in expected.items() if row[2] < 2} == rows


def test_records_that_cannot_be_used_are_written_with_reasons(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, and counted by role."""
    found = build(log.training_period(), sources, tmp_path, 3, monkeypatch)
    letters = list(found.letters())
    assert found.rejected == dict(Counter(letter["role"] for letter in letters))
    reasons = Counter((letter["role"], letter["reason"].split(":")[0].split(" (")[0]) for letter in letters)
    assert {
        ("predictions", "not JSON"),
        ("labels", "time is not a time"),
        ("labels", "label is neither 0 nor 1"),
    } == set(reasons)


def test_a_set_holds_the_sets_of_earlier_moments(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row's maturity is its time and the label delay: as of an earlier moment only fewer rows are there."""
    now = log.training_period()
    then = TrainingPeriod(log.SCHEMA, now.start, to_ms(log.START + 20 * log.HOUR))
    later, earlier = (pa.concat_tables(build(p, sources, tmp_path / str(n), 2, monkeypatch).tables())
                      for n, p in enumerate((now, then)))  # fmt: skip
    matured = later["time"].to_numpy() + now.delay < to_ms(from_ms(then.until) + log.SCHEMA.label_delay)
    assert later.take(np.flatnonzero(matured)).combine_chunks() == earlier.combine_chunks()


def test_a_period_without_events_is_an_empty_set(tmp_path: Path) -> None:
    """With the columns of any other."""
    found = built.build(log.training_period(), [], tmp_path, training_set_runner.run)
    assert [0] == [table.num_rows for table in found.tables()]


def test_buckets_are_divided_by_id_alone(tmp_path: Path) -> None:
    """A plan travels to workers: its number of buckets is all that they need to agree."""
    assert SetPlan(log.training_period(), str(tmp_path), 3).file("runs", 1) == tmp_path / "runs" / "1"
