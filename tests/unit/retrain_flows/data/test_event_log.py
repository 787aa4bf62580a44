"""The event log: a period of events is the same from files and from memory, and holds no more than the period."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from features import errors
from features.events import decode
from features.events.requests import unanswered_predictions
from features.schema import Events, Source
from features.window import to_ms
from retrain_flows.data import dataset
from retrain_flows.data.event_log import EventsInMemory, StoredEvents
from tests.support import trained_model as world

PERIODS = [(0, 60), (10, 11), (29, 45), (59, 70), (70, 80)]


def day(number: int) -> datetime:
    """Return a moment of the world."""
    return world.START + number * world.DAY


def in_memory(events: Events) -> EventsInMemory:
    """Return the world's events, decoded at once."""
    tables = [decode.read_events(world.SCHEMA, role, Path(getattr(events, role).path)).table
              for role in ("predictions", "labels")]  # fmt: skip
    return EventsInMemory(world.SCHEMA, *tables)


def by_id(table: pa.Table) -> pa.Table:
    """Return a table in one order."""
    return table.sort_by([("id", "ascending"), ("time", "ascending")]).combine_chunks()


@pytest.mark.parametrize(("start", "end"), PERIODS)
def test_files_and_memory_hold_the_same_period(events: Events, start: int, end: int) -> None:
    """Predictions in [start, end), and labels until the label delay after the end."""
    stored = StoredEvents(world.SCHEMA, events).read(day(start), day(end))
    memory = in_memory(events).read(day(start), day(end))
    assert by_id(stored.predictions).equals(by_id(memory.predictions))
    assert by_id(stored.labels).equals(by_id(memory.labels))
    times = stored.predictions["time"].to_numpy()
    assert ((times >= to_ms(day(start))) & (times < to_ms(day(end)))).all()
    assert stored.predictions.num_rows == world.PER_DAY * max(0, min(end, 60) - start)


def test_a_training_set_is_the_same_from_both(events: Events) -> None:
    """By its digest."""
    logs = (StoredEvents(world.SCHEMA, events), in_memory(events))
    period = {"as_of": world.AS_OF, "start": day(29), "end": day(59)}
    stored, memory = (dataset.read(log, world.SCHEMA, **period).rows for log in logs)
    assert (30 * world.PER_DAY, stored.digest) == (len(memory), memory.digest)


def test_a_history_is_read_before_the_predictions(events: Events, tmp_path: Path) -> None:
    """Its records are requests: they are rows without a prediction that was logged."""
    empty = tmp_path / "predictions"
    empty.mkdir()
    (empty / "none.jsonl").touch()
    moved = events.model_copy(update={"history": events.predictions, "predictions": Source(path=str(empty))})
    found = StoredEvents(world.SCHEMA, moved).read(day(0), day(5))
    alone = StoredEvents(world.SCHEMA, events, unanswered=True).read(day(0), day(5))
    direct = StoredEvents(world.SCHEMA, events).read(day(0), day(5)).predictions
    assert (5 * world.PER_DAY, 5 * world.PER_DAY) == (found.predictions.num_rows, alone.predictions.num_rows)
    assert by_id(found.predictions).equals(by_id(alone.predictions))
    assert (
        by_id(direct).select(["id", "time", "x", "c"]).equals(by_id(alone.predictions).select(["id", "time", "x", "c"]))
    )
    decoded = decode.read_events(world.SCHEMA, "requests", Path(events.predictions.path))
    assert unanswered_predictions(world.SCHEMA, decoded).table.num_rows == 60 * world.PER_DAY


def test_records_that_cannot_be_read_are_counted(events: Events, tmp_path: Path) -> None:
    """Of both roles; the others are used."""
    for role in ("predictions", "labels"):
        (tmp_path / role).mkdir()
        first = sorted(Path(getattr(events, role).path).iterdir())[0]
        (tmp_path / role / "a.jsonl").write_text(first.read_text() + "not json\n")
    broken = Events(
        predictions=Source(path=str(tmp_path / "predictions")), labels=Source(path=str(tmp_path / "labels"))
    )
    found = StoredEvents(world.SCHEMA, broken).read(day(0), day(60))
    assert (2, 10 * world.PER_DAY) == (found.rejected, found.predictions.num_rows)


def test_a_log_that_is_not_there_is_an_error_of_the_data(events: Events) -> None:
    """Nothing is made up."""
    gone = events.model_copy(update={"labels": Source(path="/not/there")})
    with pytest.raises(errors.DataError, match="/not/there is not there"):
        StoredEvents(world.SCHEMA, gone).read(day(0), day(1))
