"""Sources that land as files: one suite for tables and topics, since what reads the files knows of neither."""

from __future__ import annotations

import itertools
import json
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.facts import lookup
from features.facts.declaration import FactFeatures
from features.values.untyped import records_of
from features.window import from_ms
from leeway.landed import last_read, progress
from leeway.landed.landing import following, land
from leeway.landed.readers import Reader
from leeway.project.landed import LandedSource
from tests.support import fact_worlds
from tests.support.table_world import DATABASE, NOW, TableWorld
from tests.support.topic_of_facts import TopicOfFacts

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 60
names = (f"landed-{n}" for n in itertools.count())


class World(Protocol):
    """A source with records of one's own, and what of it has landed."""

    def create(self) -> None:
        """Create it."""

    def insert(self, *keys: Any, prefix: str = "r") -> None:
        """Add a record for each key."""

    def insert_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add records of one shape."""

    def source(self) -> LandedSource:
        """Return its declaration."""
        ...

    def reader(self, page_rows: int = 3) -> Reader:
        """Return a reader as a new process has it."""
        ...

    def land(self) -> int:
        """Land what is new with a new reader."""
        ...

    def land_and_die(self, writes: int, *, before: bool) -> int | None:
        """Land what is new in a process that kills itself at one of its files; return its exit code."""
        ...

    def rows(self) -> list[Any]:
        """Return the ids of all records that have landed."""
        ...


Make = Callable[[Path], World]


@pytest.fixture(params=["table", "topic"])
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return what makes a world that is not created yet, in a folder of its own."""

    def table(folder: Path) -> TableWorld:
        url = f"sqlite:///{folder / 'outcomes.db'}"
        monkeypatch.setenv(DATABASE, url)
        return TableWorld(sa.create_engine(url, poolclass=sa.NullPool), url, folder, overlap=100)

    def topic(folder: Path) -> TopicOfFacts:
        return TopicOfFacts(request.getfixturevalue("broker"), next(names), folder)

    return table if request.param == "table" else topic


@pytest.fixture
def world(make: Make, tmp_path: Path) -> World:
    """Return a world that is created."""
    made = make(tmp_path)
    made.create()
    return made


def ids(*numbers: int) -> list[str]:
    """Return the ids of records that were inserted by their keys, sorted."""
    return sorted(f"r{number}" for number in numbers)


def wait_until(reached: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_is_new_lands_once(world: World) -> None:
    """A second reading finds nothing, one after more records only those; what is read has small pages."""
    world.insert(*range(10))
    assert 10 == world.land()
    assert 0 == world.land()
    world.insert(10, 11)
    assert 2 == world.land()
    assert ids(*range(12)) == sorted(world.rows())
    assert len(list(world.source().folder.glob("*.parquet"))) > 3


def test_a_part_of_it_may_be_read(world: World) -> None:
    """What is left is read the next time."""
    world.insert(*range(10))
    assert 3 <= world.reader().land(NOW, most=2) < 10
    world.land()
    assert ids(*range(10)) == sorted(world.rows())


@pytest.mark.parametrize("before", [True, False])
def test_killed_at_any_file_it_loses_and_doubles_nothing(world: World, before: bool) -> None:
    """SIGKILL before or after a file appears, the first one and a later one, and more records in between."""
    for step in range(2):
        world.insert(*range(step * 20, step * 20 + 12))
        assert -signal.SIGKILL == world.land_and_die(step + 1, before=before)
        world.insert(*range(step * 20 + 12, step * 20 + 20))
    world.land()
    assert ids(*range(40)) == sorted(world.rows())


def test_readers_side_by_side_land_each_record_once(world: World) -> None:
    """At the same time, while records come; one that was ahead goes on from where another one was."""
    readers = [world.reader() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        landed = 0
        for start in range(0, 60, 20):
            world.insert(*range(start, start + 20))
            landed += sum(pool.map(lambda reader: reader.land(NOW), readers))
    assert 60 == landed
    assert ids(*range(60)) == sorted(world.rows())


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.booleans()), max_size=8), page=st.integers(1, 4))
def test_any_pages_at_any_moments(
    make: Make, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool, bool]], page: int
) -> None:
    """Records that come a few at a time, read by old and new readers, all land once."""
    world = make(tmp_path_factory.mktemp("world"))
    world.create()
    reader, keys = world.reader(page), itertools.count()
    for more, reads, anew in steps:
        world.insert(*itertools.islice(keys, more))
        if reads:
            reader = world.reader(page) if anew else reader
            reader.land(NOW)
    reader.land(NOW)
    assert ids(*range(next(keys))) == sorted(world.rows())


def test_a_source_that_is_not_there_yet_is_followed(make: Make, tmp_path: Path) -> None:
    """The reason is reported once, and what comes later lands."""
    world, reported = make(tmp_path), list[str]()
    with following([world.source()], lambda: NOW, reported.append):
        assert last_read.read(world.source()).problem
        world.create()
        world.insert(1, 2)
        wait_until(lambda: sorted(world.rows()) == ids(1, 2))
        wait_until(lambda: not last_read.read(world.source()).problem)
        world.insert(3)
        wait_until(lambda: sorted(world.rows()) == ids(1, 2, 3))
    assert 1 == len(reported)


def test_the_status_tells_how_far_it_is_read(world: World) -> None:
    """What waits, what has landed, and when."""
    world.insert(*range(5))
    found = progress.read(world.source(), NOW)
    assert (0, "", 5, None, "") == (found.rows, found.cursor, found.waiting, found.last_read, found.problem)
    land([world.source()], NOW)
    world.insert(5)
    found = progress.read(world.source(), NOW)
    assert (5, 1, NOW.isoformat()) == (found.rows, found.waiting, found.last_read)
    assert found.cursor
    assert found.text.startswith(f"{world.source().name}: 5 {world.source().unit} of {world.source().label} read up to")


def test_features_of_facts_are_those_of_files(make: Make, tmp_path: Path) -> None:
    """Corrected, late, repeated, shuffled and wrong facts: values bit for bit, and as many set aside."""
    declared, records = fact_worlds.declared(tmp_path / "files"), fact_worlds.records(200, 1)
    wrong = [{**records[0], "time": None}, {**records[0], "delay": "soon"}, {**records[0], "time": "2099-01-01"}]
    fact_worlds.write(tmp_path / "files", [*records, *wrong], 7)
    world = make(tmp_path)
    if isinstance(world, TableWorld):
        world.column_types = dict.fromkeys(records[0], "")
        world.source = lambda: TableWorld.declared(world, columns=list(records[0]))  # type: ignore[method-assign]
    world.create()
    world.insert_rows([*records, *wrong])
    assert len(records) + 3 == land([world.source()], NOW)
    files = declared.sources["landings"].model_copy(update={"path": str(world.source().folder)})
    there = declared.model_copy(update={"sources": {"landings": files}})
    assert values(declared) == values(there)
    rows, rejected = values(there)
    assert rejected == 3
    assert any(row["mean"] is not None for row in json.loads(rows))


def values(declared: FactFeatures) -> tuple[str, int]:
    """Return rows with their features of facts as text of all bits, and how many facts were set aside."""
    end = from_ms(fact_worlds.BEGIN + 200 * fact_worlds.MINUTE)
    loaded = lookup.load(declared, start=from_ms(fact_worlds.BEGIN), end=end, now=NOW)
    rows = pa.Table.from_pylist(fact_worlds.requests(50, 2))
    return json.dumps(lookup.add_columns(rows, loaded.values).to_pylist()), records_of(loaded.rejects)
