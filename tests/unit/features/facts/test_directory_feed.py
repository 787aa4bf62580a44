"""New files of facts into a store: each once, the old ones left out."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from features.errors import DataError
from features.facts.declaration import FactFeatures
from features.facts.directory_feed import DirectoryFeed
from features.facts.lookup import FactValues, Origin
from features.facts.sqlite_store import SqliteStore
from features.facts.store import MemoryStore
from features.window import from_ms
from tests.support import fact_worlds
from tests.support.fact_worlds import BEGIN, MINUTE, declared

NOW = from_ms(BEGIN + 150 * MINUTE)


def taken(feed: DirectoryFeed, now: datetime = NOW) -> list[tuple[str, int, int]]:
    """Return name, new facts and rejected records of each file that is read."""
    return [(each.path.name, each.facts, len(each.rejects)) for each in feed.take(now)]


def opened(folder: Path) -> FactValues:
    """Return the values of facts in *folder*, from a store beside it."""
    (folder / "facts").mkdir(exist_ok=True)
    return FactValues(declared(folder / "facts"), SqliteStore(folder / "facts.db"))


def test_each_file_is_read_once(tmp_path: Path) -> None:
    """New ones as they appear; after a restart, none again."""
    facts, values = fact_worlds.records(10, 0), opened(tmp_path)
    feed = DirectoryFeed(values)
    fact_worlds.write(tmp_path / "facts", facts, 2)
    first = taken(feed)
    again = taken(feed)
    lines = (tmp_path / "facts" / "000.jsonl").read_text()
    (tmp_path / "facts" / "002.jsonl").write_text(lines)

    assert ["000.jsonl", "001.jsonl"] == [name for name, _, _ in first]
    assert ([], ["002.jsonl"]) == (again, [name for name, _, _ in taken(feed)])
    assert [] == taken(DirectoryFeed(opened(tmp_path)))
    assert Origin.FACTS is opened(tmp_path).look("mean", ("A",), BEGIN + 60 * MINUTE).origin


def test_a_file_that_is_written_anew_is_read_again(tmp_path: Path) -> None:
    """Only what is new in it is stored."""
    values = opened(tmp_path)
    feed = DirectoryFeed(values)
    fact = {**fact_worlds.records(1, 0)[0], "carrier": "A", "airport": "EWR"}
    fact_worlds.write(tmp_path / "facts", [fact], 1)
    first = taken(feed)
    fact_worlds.write(tmp_path / "facts", [fact, {**fact, "flight": "other"}], 1)

    assert ([("000.jsonl", 2, 0)], [("000.jsonl", 2, 0)]) == (first, taken(feed))  # one in each of the two groups


@pytest.mark.parametrize(("identity", "sums"), [("flight", (4.0, 4.0)), (None, (5.0, 4.0))])
def test_what_a_file_said_before_it_was_written_anew_goes_on_counting(
    tmp_path: Path, identity: str | None, sums: tuple[float, float]
) -> None:
    """A fact with an id is corrected, one without stays beside its new version; a new store has what is there now."""
    (tmp_path / "facts").mkdir()
    of = declared(tmp_path / "facts", id=identity)
    value, fresh = FactValues(of, MemoryStore()), FactValues(of, MemoryStore())
    fact = {**fact_worlds.records(1, 0)[0], "carrier": "A", "airport": "EWR", "time": BEGIN, "reported": BEGIN}
    feed = DirectoryFeed(value)
    for delay, minute in ((1.0, 0), (4.0, 1)):
        fact_worlds.write(tmp_path / "facts", [{**fact, "delay": delay, "reported": BEGIN + minute * MINUTE}], 1)
        taken(feed)
    taken(DirectoryFeed(fresh))

    assert sums == tuple(each.look("sum", ("A",), BEGIN + 10 * MINUTE).value for each in (value, fresh))


def test_what_is_too_old_is_not_stored_and_goes_with_time(tmp_path: Path) -> None:
    """A history of years costs no room."""
    values = opened(tmp_path)
    feed = DirectoryFeed(values)
    fact_worlds.write(tmp_path / "facts", fact_worlds.records(10, 0), 1)
    late = NOW + timedelta(days=9)

    assert [("000.jsonl", 0, 0)] == taken(feed, late)
    fact_worlds.write(tmp_path / "facts", fact_worlds.records(10, 1), 2)
    other = DirectoryFeed(opened(tmp_path))
    (_, stored, _) = taken(other)[0]
    assert stored
    taken(other, late)
    assert Origin.EMPTY is opened(tmp_path).look("mean", ("A",), BEGIN + 60 * MINUTE).origin


def test_a_fact_of_the_future_is_set_aside(tmp_path: Path) -> None:
    """And the others are stored."""
    facts = fact_worlds.records(10, 0)
    odd = {**facts[0], "time": "2099-01-01T00:00:00Z"}
    values = opened(tmp_path)
    fact_worlds.write(tmp_path / "facts", [*facts, odd], 1)
    ((_, stored, rejected),) = taken(DirectoryFeed(values))

    assert (True, 1) == (stored > 0, rejected)


def test_a_directory_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """Which the next look may not have."""
    values = opened(tmp_path)
    (tmp_path / "facts").rmdir()

    with pytest.raises(DataError, match="is not there"):
        taken(DirectoryFeed(values))


def test_other_facts_are_read_where_some_are_gone(tmp_path: Path) -> None:
    """One missing directory costs no other source."""
    of = declared(tmp_path / "facts").model_dump(mode="json", by_alias=True)
    of["sources"] = {"gone": {**of["sources"]["landings"], "path": str(tmp_path / "gone")}, **of["sources"]}
    of["features"]["other"] = {**of["features"]["sum"], "from": "gone"}
    values = FactValues(FactFeatures.model_validate(of), MemoryStore())
    fact_worlds.write(tmp_path / "facts", fact_worlds.records(10, 0), 1)

    with pytest.raises(DataError, match="gone is not there"):
        taken(DirectoryFeed(values))
    assert Origin.FACTS is values.look("mean", ("A",), BEGIN + 60 * MINUTE).origin
