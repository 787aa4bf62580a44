"""Each row of a table lands once, whenever it becomes visible, on each kind of database."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import ProjectError, TableAway, TableError
from leeway.landed.landing import land
from tests.support.table_world import DATABASE, NOW, TableWorld


def test_rows_land_in_the_order_of_their_key_and_once(world: TableWorld) -> None:
    """Whatever order they were inserted in; a second reading finds nothing, one after more rows only those."""
    world.create()
    world.insert(3, 1, 2, 7, 5)
    assert 5 == world.land()
    assert 0 == world.land()
    world.insert(8, 9)
    assert 2 == world.land()
    assert ["r1", "r2", "r3", "r5", "r7", "r8", "r9"] == world.rows()


def test_a_row_with_a_smaller_key_lands_when_it_becomes_visible(world: TableWorld) -> None:
    """Within the overlap, also if a new process reads, also before anything lies the overlap behind."""
    world.overlap = 10
    world.create()
    world.insert(100)
    assert 1 == world.land()
    world.insert(91)
    assert 1 == world.land()
    world.insert(200)
    assert 1 == world.land()
    world.insert(190, 191, 199)
    assert 3 == world.land()
    assert 0 == world.land()
    assert ["r100", "r91", "r200", "r190", "r191", "r199"] == world.rows()


@pytest.mark.slow
def test_a_transaction_that_ends_late_loses_no_row(postgres: TableWorld) -> None:
    """Its key is smaller than one that was read before it ended; the reader does not wait for it meanwhile."""
    postgres.overlap = 5
    postgres.create("serial primary key")
    row = {"id": "slow", "time": "2024-01-01T00:00:00Z", "label": 1}
    with postgres.engine.connect() as slow:
        slow_transaction = slow.begin()
        postgres.insert_rows([row], slow)
        postgres.insert_rows([row | {"id": "fast"}])
        assert 1 == postgres.land()
        slow_transaction.commit()
    assert 1 == postgres.land()
    assert ["fast", "slow"] == postgres.rows()


def test_equal_times_on_both_sides_of_a_page_and_of_a_reading(world: TableWorld) -> None:
    """Ten rows of one moment with pages of three, and more of that moment afterwards."""
    world.key, world.overlap = "time", timedelta(0)
    world.column_types = {"id": "text", "label": "integer"}
    world.create("timestamp")
    moment = "2024-01-01 00:00:00"
    world.insert_rows([{"time": moment, "id": f"a{n}", "label": 1} for n in range(10)])
    assert 10 == world.land()
    world.insert_rows([{"time": moment, "id": f"b{n}", "label": 1} for n in range(4)])
    assert 4 == world.land()
    assert sorted([f"a{n}" for n in range(10)] + [f"b{n}" for n in range(4)]) == sorted(world.rows())


def test_equal_rows_are_told_apart_by_the_tables_own_key(world: TableWorld) -> None:
    """Without one, rows that are equal in all columns that are read are one row."""
    world.key, world.overlap = "time", timedelta(minutes=1)
    world.column_types = {"id": "text", "label": "integer", "own": "integer primary key"}
    world.create("timestamp")
    row = {"time": "2024-01-01 00:00:00", "id": "a", "label": 1}
    world.insert_rows([row | {"own": 1}, row | {"own": 2}])
    assert 2 == world.land()
    assert 0 == world.land()


def test_a_time_of_the_far_future_moves_nothing(world: TableWorld) -> None:
    """Its row waits for its time, and the rows before it are read."""
    world.key, world.overlap = "time", timedelta(minutes=1)
    world.column_types = {"id": "text", "label": "integer"}
    world.create("timestamp")
    world.insert_rows([{"time": "2099-01-01 00:00:00", "id": "future", "label": 1}])
    assert 0 == world.land()
    world.insert_rows([{"time": "2024-01-01 00:00:00", "id": "now", "label": 1}])
    assert 1 == world.land()
    assert ["now"] == world.rows()


@pytest.mark.parametrize("before", [True, False])
def test_killed_at_any_file_it_loses_and_doubles_nothing(world: TableWorld, before: bool) -> None:
    """SIGKILL before or after each file appears, then rows that come late, then a reading that ends."""
    world.overlap = 10
    world.create()
    for step in range(2):
        world.insert(*range(step * 20, step * 20 + 12))
        assert -signal.SIGKILL == world.land_and_die(step + 1, before=before)
        world.insert(*range(step * 20 + 12, step * 20 + 20), prefix="late")
    world.land()
    assert 40 == len(world.rows())
    assert 40 == len(set(world.rows()))


def test_readers_side_by_side_land_each_row_once(world: TableWorld) -> None:
    """One that was ahead goes on from where the other one was."""
    world.overlap = 5
    world.create()
    one, other = world.reader(), world.reader()
    for start in range(0, 60, 10):
        world.insert(*range(start, start + 10))
        assert 10 == (one if start % 20 else other).land(NOW)
    assert 0 == one.land(NOW) + other.land(NOW)
    assert 60 == len(set(world.rows()))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(-6, 9), st.booleans(), st.booleans()), max_size=15), st.integers(1, 4))
def test_any_order_within_the_overlap(sqlite: TableWorld, steps: list[tuple[int, bool, bool]], page: int) -> None:
    """Rows whose keys go back by less than the overlap, read at any moments by old and new readers, all land once."""
    world = TableWorld(sqlite.engine, sqlite.url, sqlite.folder, overlap=7)
    world.execute("drop table if exists outcomes")
    for path in world.declared().folder.glob("*"):
        path.unlink()
    world.create("integer")
    reader, high = world.reader(page), 0
    for number, (move, reads, anew) in enumerate(steps):
        key = max(high + move, 0)
        high = max(high, key)
        world.insert_rows([{"seq": key, "id": f"{number}", "time": "2024-01-01", "label": 1}])
        if reads:
            reader = world.reader(page) if anew else reader
            reader.land(NOW)
    reader.land(NOW)
    assert sorted(str(n) for n in range(len(steps))) == sorted(world.rows())


def test_what_is_not_there_is_named_with_its_fix(world: TableWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table, a column, a variable; none of it is made."""
    world.create()
    with pytest.raises(TableError, match=r"no table `outcome`; did you mean `outcomes`\?"):
        world.land(name="outcome")
    with pytest.raises(TableError, match=r"no column `lable`; did you mean `label`\?"):
        world.land(columns=["lable"])
    with pytest.raises(TableError, match='no column `label"; drop table outcomes; --`'):
        world.land(columns=['label"; drop table outcomes; --'])
    monkeypatch.delenv(DATABASE)
    with pytest.raises(ProjectError, match=f"environment variable {DATABASE}, which is not set"):
        world.land()


def test_a_name_of_any_kind_is_a_name(world: TableWorld) -> None:
    """Quotes, blanks and SQL in a column's name reach the database as its name."""
    odd = 'label"; drop table outcomes; --'
    world.column_types = {"id": "text", odd.replace('"', '""'): "integer"}
    world.create()
    world.execute("insert into outcomes (seq, id) values (1, 'a')")
    assert 1 == world.land(columns=["id", odd])
    assert [None] == world.rows(odd)


def test_a_database_file_that_is_not_there_is_not_made(sqlite: TableWorld) -> None:
    """Nor is one that is there written to."""
    Path(sqlite.url.removeprefix("sqlite:///")).unlink(missing_ok=True)
    with pytest.raises(TableError, match="there is no database"):
        sqlite.land()
    assert not Path(sqlite.url.removeprefix("sqlite:///")).exists()


def test_a_server_that_is_away_is_an_outage_without_its_password(
    sqlite: TableWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the table and what to look at."""
    monkeypatch.setenv(DATABASE, "postgresql://leeway:s3cret@127.0.0.1:1/labels")
    with pytest.raises(TableAway) as caught:
        land([sqlite.declared()], NOW)
    assert "s3cret" not in str(caught.value)
    assert "models.m.events.labels.table" in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://u:s3cret@h/d", "s3cret", "sqlite://", "postgresql://h"])
def test_a_url_that_is_none_is_not_repeated(sqlite: TableWorld, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """It may hold a password."""
    monkeypatch.setenv(DATABASE, url)
    with pytest.raises(TableError) as caught:
        sqlite.land()
    assert "s3cret" not in str(caught.value)


@pytest.mark.slow
def test_a_key_of_the_wrong_type_is_refused(postgres: TableWorld) -> None:
    """A number is declared by a number as its overlap, a time by a length of time."""
    postgres.create("text primary key")
    with pytest.raises(TableError, match="the column `seq` has the type TEXT, not whole numbers"):
        postgres.land()
    with pytest.raises(TableError, match="the column `seq` has the type TEXT, not times"):
        postgres.land(overlap="5m")


@pytest.mark.slow
def test_a_table_that_may_not_be_read_is_named(postgres: TableWorld) -> None:
    """The database's own reason is in the message."""
    postgres.create()
    postgres.execute("create role nobody_reads login")
    url = sa.make_url(postgres.url).set(username="nobody_reads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATABASE, url.render_as_string(hide_password=False))
        with pytest.raises(TableError, match=r"permission denied for table outcomes|authentication failed"):
            postgres.land()
    postgres.execute("drop role nobody_reads")
