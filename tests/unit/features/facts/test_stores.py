"""Stores of facts: one suite for each of them. The newest version wins, in whatever order writers come."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import DataError
from features.facts.fact import Fact, Key
from features.facts.key_state import state_of
from features.facts.sqlite_store import SqliteStore
from features.facts.store import FactStore, MemoryStore
from tests.support.fact_worlds import BEGIN, MINUTE, bits, by_carrier, histories, messy

GROUP = by_carrier()
UA: Key = ("UA",)
NOON = BEGIN + 12 * 60 * MINUTE
Opened = Callable[[], FactStore]


@pytest.fixture(params=["memory", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Return a function that opens a new store."""
    numbers = itertools.count()
    if request.param == "memory":
        return MemoryStore
    return lambda: SqliteStore(tmp_path / f"{next(numbers)}.db")


def fact(number: str, time: int, known_time: int, value: float) -> Fact:
    """Return a fact of one value."""
    return Fact(number, time, known_time, (str(value), value, None))


V1, V2, V3 = (fact("1", NOON, NOON + minute, float(minute)) for minute in (1, 2, 3))


@pytest.mark.parametrize("order", list(itertools.permutations([V1, V2, V3])))
def test_the_newest_version_wins_in_any_order(opened: Opened, order: tuple[Fact, ...]) -> None:
    """In one batch as in one after the other, also after a late one from another writer."""
    together, single = opened(), opened()
    together.add(GROUP, [(UA, version) for version in order])
    for version in order:
        single.add(GROUP, [(UA, version)])
        single.value(GROUP, UA, "sum", NOON + 10 * MINUTE)

    assert [3.0, 3.0] == [store.value(GROUP, UA, "sum", NOON + 10 * MINUTE) for store in (together, single)]


def test_what_is_stored_already_is_not_new(opened: Opened) -> None:
    """A writer that starts again adds nothing twice."""
    store = opened()

    assert [2, 0, 1] == [store.add(GROUP, [(UA, each) for each in some]) for some in ([V1, V2], [V2, V1], [V1, V3])]
    assert 1.0 == store.value(GROUP, UA, "count", NOON + 10 * MINUTE)


def test_keys_and_groups_are_apart(opened: Opened) -> None:
    """Another carrier has no value, and neither has the other group."""
    store, pair = opened(), replace(GROUP, name="other")
    store.add(GROUP, [(UA, V1)])

    assert None is store.value(GROUP, ("AA",), "sum", NOON + 10 * MINUTE)
    assert None is store.value(pair, UA, "sum", NOON + 10 * MINUTE)


def test_old_facts_are_dropped(opened: Opened) -> None:
    """Those that happened before the moment, of this group."""
    store, young = opened(), fact("2", NOON + 60 * MINUTE, NOON, 5.0)
    store.add(GROUP, [(UA, V1), (UA, young), (("AA",), V1)])
    before = store.value(GROUP, UA, "sum", NOON + 10 * MINUTE)
    store.forget(GROUP, NOON + 30 * MINUTE)

    assert (1.0, None) == (before, store.value(GROUP, UA, "sum", NOON + 10 * MINUTE))
    assert 5.0 == store.value(GROUP, UA, "sum", NOON + 70 * MINUTE)
    assert 1 == store.add(GROUP, [(UA, V1), (UA, young)])


def test_files_are_marked_by_group(opened: Opened) -> None:
    """A mark stays, is of no other file and state, and one of a newer state takes its place."""
    store = opened()
    store.mark_read(GROUP, "a", "1 1")
    store.mark_read(GROUP, "a", "1 1")
    assert (True, False, False) == tuple(
        store.is_read(GROUP, *file) for file in (("a", "1 1"), ("a", "2 2"), ("b", "1 1"))
    )
    store.mark_read(GROUP, "a", "2 2")
    assert (False, True) == (store.is_read(GROUP, "a", "1 1"), store.is_read(GROUP, "a", "2 2"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(histories(), st.integers(0, 100), st.integers(1, 5))
def test_a_store_has_the_values_of_the_state(opened: Opened, facts: list[Fact], seed: int, size: int) -> None:
    """Facts that come shuffled, twice, and in batches of any size."""
    store, entries = opened(), messy([(UA, each) for each in facts], seed)
    for at in range(0, len(entries), size):
        store.add(GROUP, entries[at : at + size])
        store.value(GROUP, UA, "sum", NOON)
    whole = state_of(GROUP, facts)
    times = [BEGIN + minute * MINUTE for minute in (9, 33, 61, 95)]

    expected = [bits(whole.value(name, time)) for name in GROUP.features for time in times]
    assert expected == [bits(store.value(GROUP, UA, name, time)) for name in GROUP.features for time in times]


def test_writers_and_readers_at_once(opened: Opened) -> None:
    """Four threads add parts of the facts while one reads; no fact is lost."""
    store, errors = opened(), list[Exception]()
    facts = [fact(str(i), NOON + i, NOON + i, 1.0) for i in range(400)]

    def write(part: int) -> None:
        try:
            for i in range(part, 400, 20):
                store.add(GROUP, [(UA, facts[i]), (UA, facts[i - 1])])
                store.value(GROUP, UA, "sum", NOON + 10 * MINUTE)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(part,)) for part in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ([], 400.0) == (errors, store.value(GROUP, UA, "sum", NOON + 10 * MINUTE))


def test_a_file_is_there_again(tmp_path: Path) -> None:
    """Facts to the last bit, and marks, after the process has ended."""
    first = SqliteStore(tmp_path / "facts.db")
    first.add(GROUP, [(UA, V1), (UA, fact("2", NOON, NOON, 0.1))])
    first.mark_read(GROUP, "a", "1 1")
    first.close()
    again = SqliteStore(tmp_path / "facts.db")

    assert (1.1, True) == (again.value(GROUP, UA, "sum", NOON + 10 * MINUTE), again.is_read(GROUP, "a", "1 1"))


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    """Each reads each file of facts by itself: what the other one stored and marked since is no reason not to."""
    one, other = SqliteStore(tmp_path / "facts.db"), SqliteStore(tmp_path / "facts.db")
    other.value(GROUP, UA, "sum", NOON + 10 * MINUTE)
    other.is_read(GROUP, "a", "1 1")
    one.add(GROUP, [(UA, V1)])
    one.mark_read(GROUP, "a", "1 1")

    assert not other.is_read(GROUP, "a", "1 1")
    assert 0 == other.add(GROUP, [(UA, V1)])
    assert 1.0 == other.value(GROUP, UA, "sum", NOON + 10 * MINUTE)


def test_marks_do_not_grow_with_a_file(tmp_path: Path) -> None:
    """A file that is appended to has one mark, however often it is read."""
    store = SqliteStore(tmp_path / "facts.db")
    for size in range(100):
        store.mark_read(GROUP, "a", f"{size} {size}")
    store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "facts.db")) as connection:
        assert [(GROUP.name, "a", "99 99")] == connection.execute("SELECT * FROM read_files").fetchall()


def test_marks_of_earlier_releases_are_taken_over(tmp_path: Path) -> None:
    """Nothing is read again; of a file that was read in several states the newest counts."""
    SqliteStore(tmp_path / "facts.db").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "facts.db")) as old, old:
        old.execute("CREATE TABLE files (grp TEXT, path TEXT, PRIMARY KEY (grp, path)) WITHOUT ROWID")
        marks = ["/a b 10 1000", "/a b 9 99", "/a b 30 3000", "/c 1 1"]
        old.executemany("INSERT INTO files VALUES (?, ?)", [(GROUP.name, mark) for mark in marks])
    for _ in range(2):
        store = SqliteStore(tmp_path / "facts.db")
        assert store.is_read(GROUP, "/a b", "30 3000")
        assert store.is_read(GROUP, "/c", "1 1")
        assert not store.is_read(GROUP, "/a b", "10 1000")
        store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "facts.db")) as old:
        assert [] == old.execute("SELECT * FROM files").fetchall()


def test_a_file_that_fails_says_so(tmp_path: Path) -> None:
    """The reader is told, and takes its fall-back."""
    store = SqliteStore(tmp_path / "facts.db")
    store.close()

    with pytest.raises(sqlite3.Error):
        store.value(GROUP, UA, "sum", NOON)


def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    """With what to do: everything in it can be read again."""
    (tmp_path / "facts.db").write_bytes(b"no database at all, but long enough to look like a header" * 40)

    with pytest.raises(DataError, match="delete it: it is made again"):
        SqliteStore(tmp_path / "facts.db")
