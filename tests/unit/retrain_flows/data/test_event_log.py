"""The event log: a period's labelled rows are the same from files and from memory, and are read once."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from features import errors
from features.events import decode
from features.schema import Events, Source
from features.window import to_ms
from monitors.in_process import training_set_runner
from monitors.training_set import period
from monitors.training_set.buckets import SetPlan
from monitors.training_set.parts import Part
from monitors.training_set.period import TrainingPeriod
from retrain_flows.data import dataset
from retrain_flows.data.event_log import EventsInMemory, StoredEvents
from tests.support import trained_model as world

PERIODS = [(0, 60), (10, 11), (29, 45), (59, 70), (70, 80)]


def day(number: int) -> datetime:
    """Return a moment of the world."""
    return world.START + number * world.DAY


def days(start: int, end: int) -> TrainingPeriod:
    """Return a period all labels of which are there."""
    return period.as_of(world.SCHEMA, day(200), day(start), day(end))


def in_memory(events: Events) -> EventsInMemory:
    """Return the world's events, decoded at once."""
    tables = [decode.read_events(world.SCHEMA, role, Path(getattr(events, role).path)).table
              for role in ("predictions", "labels")]  # fmt: skip
    return EventsInMemory(*tables)


def all_rows(log: EventsInMemory | StoredEvents, wanted: TrainingPeriod) -> pa.Table:
    """Return the rows of a period in one table."""
    return pa.concat_tables(log.read(wanted).tables).combine_chunks()


@pytest.mark.parametrize(("start", "end"), PERIODS)
def test_files_and_memory_hold_the_same_period(events: Events, tmp_path: Path, start: int, end: int) -> None:
    """Predictions in [start, end), with their labels, in the same order."""
    stored = all_rows(StoredEvents(world.SCHEMA, events, tmp_path), days(start, end))
    assert all_rows(in_memory(events), days(start, end)).equals(stored)
    times = stored["time"].to_numpy()
    assert ((times >= to_ms(day(start))) & (times < to_ms(day(end)))).all()
    assert stored.num_rows == world.PER_DAY * max(0, min(end, 60) - start)


def test_a_training_set_is_the_same_from_both(events: Events, tmp_path: Path) -> None:
    """By its digest."""
    logs = (StoredEvents(world.SCHEMA, events, tmp_path), in_memory(events))
    wanted = {"as_of": world.AS_OF, "start": day(29), "end": day(59)}
    stored, memory = (dataset.read(log, world.SCHEMA, **wanted).rows for log in logs)
    assert (30 * world.PER_DAY, stored.digest) == (len(memory), memory.digest)


def test_a_history_is_read_before_the_predictions(events: Events, tmp_path: Path) -> None:
    """Its records are requests: they are rows without a prediction that was logged."""
    empty = tmp_path / "predictions"
    empty.mkdir()
    (empty / "none.jsonl").touch()
    moved = events.model_copy(update={"history": events.predictions, "predictions": Source(path=str(empty))})
    found = all_rows(StoredEvents(world.SCHEMA, moved, tmp_path / "a"), days(0, 5))
    alone = all_rows(StoredEvents(world.SCHEMA, events, tmp_path / "b", unanswered=True), days(0, 5))
    direct = all_rows(StoredEvents(world.SCHEMA, events, tmp_path / "c"), days(0, 5))
    assert (5 * world.PER_DAY, found.num_rows) == (found.num_rows, found["prediction"].null_count)
    assert found.equals(alone)
    assert direct.select(["id", "time", "x", "c", "label"]).equals(alone.select(["id", "time", "x", "c", "label"]))


def test_records_that_cannot_be_read_are_counted(events: Events, tmp_path: Path) -> None:
    """Of both roles; the others are used."""
    for role in ("predictions", "labels"):
        (tmp_path / role).mkdir()
        first = sorted(Path(getattr(events, role).path).iterdir())[0]
        (tmp_path / role / "a.jsonl").write_text(first.read_text() + "not json\n")
    broken = Events(
        predictions=Source(path=str(tmp_path / "predictions")), labels=Source(path=str(tmp_path / "labels"))
    )
    found = StoredEvents(world.SCHEMA, broken, tmp_path / "sets").read(days(0, 60))
    assert (2, 10 * world.PER_DAY) == (found.rejected, found.counts.predictions)


def test_a_log_that_is_not_there_is_an_error_of_the_data(events: Events, tmp_path: Path) -> None:
    """Nothing is made up."""
    gone = events.model_copy(update={"labels": Source(path="/not/there")})
    with pytest.raises(errors.DataError, match="/not/there is not there"):
        StoredEvents(world.SCHEMA, gone, tmp_path).read(days(0, 1))


class Counted:
    """A runner that counts how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, plan: SetPlan, parts: list[Part]) -> None:
        """Build the set."""
        self.calls += 1
        training_set_runner.run(plan, parts)


def test_a_set_is_built_again_only_if_its_log_or_its_period_is_another(events: Events, tmp_path: Path) -> None:
    """What a decision has counted is what the retrain after it trains on, without another reading."""
    runner = Counted()
    for role in ("predictions", "labels"):
        shutil.copytree(getattr(events, role).path, tmp_path / "log" / role)
    copies = Events(**{role: Source(path=str(tmp_path / "log" / role)) for role in ("predictions", "labels")})
    log = StoredEvents(world.SCHEMA, copies, tmp_path / "sets", run=runner)
    before = [all_rows(log, days(0, 5)) for _ in range(2)]
    assert (1, before[0]) == (runner.calls, before[1])
    all_rows(log, days(0, 6))
    all_rows(log, replace(days(0, 5), barred=((to_ms(day(1)), to_ms(day(2))),)))
    assert runner.calls == 3
    os.utime(sorted((tmp_path / "log" / "labels").iterdir())[0], ns=(0, 0))
    counted = pa.concat_tables(log.read(days(0, 5), counted=True).tables).combine_chunks()
    assert (before[0], 3) == (counted, runner.calls)
    assert (before[0], 4) == (all_rows(log, days(0, 5)), runner.calls)
