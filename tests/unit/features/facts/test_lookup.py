"""Values of fact features for a batch of rows, point in time, from files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import DataError
from features.facts import lookup
from features.facts.declaration import NO_FACTS
from features.facts.fact import Fact
from features.facts.key_state import state_of
from features.facts.lookup import FactValues, Looked, Origin
from features.facts.reading import FactRows
from features.facts.store import MemoryStore
from features.window import UTC, from_ms
from tests.support.fact_worlds import BEGIN, MINUTE, bits, by_carrier, declared, histories, messy

NOW = datetime(2024, 2, 1, tzinfo=UTC)
ROWS = pa.table({"time": [BEGIN + 20 * MINUTE, BEGIN + 60 * MINUTE], "carrier": ["UA", None], "origin": ["EWR", "JFK"]})


def write(folder: Path, facts: Sequence[Mapping[str, Any]]) -> None:
    """Write facts to a file of *folder*."""
    rows = ({"carrier": "UA", "airport": "EWR", "plane": None, **fact} for fact in facts)
    (folder / "facts.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def fact(number: int, minute: int, delay: float, known_time: int | None = None) -> dict[str, Any]:
    """Return a fact of a minute as a record."""
    reported = BEGIN + (minute if known_time is None else known_time) * MINUTE
    return {"flight": number, "time": BEGIN + minute * MINUTE, "reported": reported, "delay": delay}


def loaded(folder: Path, begin: int = BEGIN, end: int = BEGIN + 120 * MINUTE) -> lookup.Loaded:
    """Return the facts of *folder* for the rows of a period (ms)."""
    return lookup.load(declared(folder), start=from_ms(begin), end=from_ms(end), now=NOW)


def test_columns_are_added_for_rows(tmp_path: Path) -> None:
    """A column a feature, in the order of the declarations; a row without a key, or without facts, has what is declared
    for that; a column that is there already is replaced."""
    write(tmp_path, [fact(1, 3, 4.0), fact(2, 11, 6.0), fact(2, 11, 60.0, known_time=30), fact(3, 40, 7.0)])
    values = loaded(tmp_path).values
    table = lookup.add_columns(ROWS.append_column("pair", pa.nulls(2)), values)

    assert [*ROWS.column_names, "pair", *(name for name in values.declared.features if name != "pair")] == (
        table.column_names
    )
    first, second = table.to_pylist()
    assert (10.0, 5.0, 2.0, 6.0, 540.0, 6.0, 10.0) == tuple(
        first[name] for name in ("sum", "mean", "count", "last", "age", "short", "pair")
    )
    assert (None, 0.0, "none", -1.0) == tuple(second[name] for name in ("sum", "count", "plane", "short"))
    assert pa.string() == table.schema.field("plane").type


def test_only_facts_of_the_period_are_in_memory(tmp_path: Path) -> None:
    """Those that can count for its rows, and a day around for corrections that move a fact."""
    day = 24 * 60
    write(tmp_path, [fact(n, n * day, 1.0) for n in range(10)])
    values = loaded(tmp_path, BEGIN + 5 * day * MINUTE, BEGIN + 6 * day * MINUTE).values
    store = values.store
    assert isinstance(store, MemoryStore)

    in_memory = [n for n in range(10) if _at(values, n * day + 10) is not None]
    assert [4, 5] == in_memory


def _at(values: FactValues, minute: int) -> object:
    return values.store.value(values.groups[0], ("UA",), "sum", BEGIN + minute * MINUTE)


def test_a_row_of_a_time_whose_facts_are_gone_is_told_apart(tmp_path: Path) -> None:
    """It is no empty window: nobody knows."""
    write(tmp_path, [fact(1, 3, 4.0)])
    values = loaded(tmp_path).values

    assert Looked(4.0, Origin.FACTS) == values.look("sum", ("UA",), BEGIN + 20 * MINUTE)
    assert Looked(None, Origin.EMPTY) == values.look("sum", ("AA",), BEGIN + 20 * MINUTE)
    assert Looked("none", Origin.EXPIRED) == values.look("plane", ("UA",), BEGIN - 1)
    assert 1 == values.add(
        FactRows({values.groups[0].name: [(("AA",), Fact("9", BEGIN, BEGIN, ("1", 1.0, None)))]}, ())
    )
    old = Fact("9", BEGIN - values.groups[0].reach - 1, BEGIN, ("1", 1.0, None))
    assert 0 == values.add(FactRows({values.groups[0].name: [(("AA",), old)]}, ()))


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(DataError, match="is not there"):
        loaded(tmp_path / "nothing")


@given(histories(), st.integers(0, 1000))
def test_a_batch_has_the_values_of_the_state(facts: list[Fact], seed: int) -> None:
    """Rows of any order, facts of any order: the same bits as one key's state gives."""
    group = by_carrier()
    values = FactValues(declared(), MemoryStore())
    values.add(FactRows({group.name: messy([(("UA",), each) for each in facts], seed)}, ()))
    times = [BEGIN + (seed * step) % 90 * MINUTE for step in range(5)]
    rows = pa.table({"time": times, "carrier": ["UA"] * 5, "origin": ["EWR"] * 5})
    made = lookup.add_columns(rows, values)
    state = state_of(group, facts)

    for name, feature in group.features.items():
        expected = [state.value(name, time) for time in times]
        filled = [bits(feature.fallback if value is None else value) for value in expected]
        assert filled == [bits(value) for value in made[name].to_pylist()]


def test_the_period_may_begin_anywhere(tmp_path: Path) -> None:
    """What is loaded for an hour gives the same as what is loaded for all."""
    write(tmp_path, [fact(n, 7 * n, float(n), known_time=7 * n + n % 3) for n in range(60)])
    time = from_ms(BEGIN) + timedelta(hours=5)
    rows = pa.table({"time": [BEGIN + 301 * MINUTE], "carrier": ["UA"], "origin": ["EWR"]})
    part = lookup.load(declared(tmp_path), start=time, end=time + timedelta(hours=1), now=NOW).values

    assert lookup.add_columns(rows, loaded(tmp_path, end=BEGIN + 10**9).values) == lookup.add_columns(rows, part)


def test_only_what_is_missing_is_filled_in(tmp_path: Path) -> None:
    """A value that a row brings stays; without declarations, or rows, nothing happens."""
    write(tmp_path, [fact(1, 3, 4.0)])
    of = declared(tmp_path)
    kinds = {name: lookup.ARROW[feature.type] for name, feature in of.features.items()}
    rows = ROWS
    for name, kind in kinds.items():
        rows = rows.append_column(name, pa.array([9.0 if name == "sum" else None, None], kind))
    filled = lookup.fill_missing(rows, of, now=NOW)

    assert (rows.schema.names, ()) == (filled.rows.schema.names, filled.rejects)
    assert ([9.0, None], [4.0, None]) == tuple(filled.rows[name].to_pylist() for name in ("sum", "mean"))
    assert [rows, rows.slice(0, 0)] == [
        lookup.fill_missing(rows, NO_FACTS, now=NOW).rows, lookup.fill_missing(rows.slice(0, 0), of, now=NOW).rows
    ]  # fmt: skip
