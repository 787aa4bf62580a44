"""Values of every type that the two databases have reach the decoder, and none of them ends a reading."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from features.events import decode
from features.schema import Columns, EventSchema, FeatureKind, Task
from leeway.landed.tables import values
from tests.support.table_world import NOW, TableWorld

EAST = timezone(timedelta(hours=2))
SCHEMA = EventSchema(model="m", task=Task.REGRESSION, columns=Columns(), features={"x": FeatureKind.NUMERIC})
DAY = 1_704_067_200_000
"""2024-01-01 in ms."""


def decoded(world: TableWorld) -> tuple[dict[Any, tuple[Any, Any]], list[str]]:
    """Return time and label by id, and the reasons of what was set aside."""
    read = decode.read_events(SCHEMA, "labels", world.declared().folder, now=NOW)
    rows = read.table.to_pylist()
    return {row["id"]: (row["time"], row["label"]) for row in rows}, [one.reason for one in read.rejects]


@pytest.mark.slow
def test_types_of_postgresql(postgres: TableWorld) -> None:
    """Times with and without a zone, dates, decimals, big numbers, and times beyond all times."""
    postgres.column_types = {"id": "numeric", "time": "timestamptz", "label": "numeric(10, 2)"}
    postgres.create()
    postgres.insert_rows([
        {"seq": 1, "id": 1, "time": "2024-01-01T01:00:00+01:00", "label": 0.1},
        {"seq": 2, "id": 12345678901234567890123, "time": "2024-01-01T00:00:00Z", "label": 12},
        {"seq": 3, "id": 3, "time": "infinity", "label": 1},
        {"seq": 4, "id": 4, "time": "0044-03-15 00:00:00 BC", "label": 1},
        {"seq": 5, "id": None, "time": "2024-01-01T00:00:00Z", "label": 1},
        {"seq": 6, "id": 6, "time": "2024-01-01T00:00:00Z", "label": "NaN"},
    ])  # fmt: skip
    assert 6 == postgres.land()
    rows, reasons = decoded(postgres)
    assert {"1": (DAY, 0.1), "12345678901234567890123": (DAY, 12.0)} == rows
    assert 4 == len(reasons)


@pytest.mark.slow
def test_a_key_that_is_a_time(postgres: TableWorld) -> None:
    """With or without a zone, or a date, it is compared by the database in its own type."""
    for kind in ("timestamptz", "timestamp", "date"):
        world = TableWorld(postgres.engine, postgres.url, postgres.folder / kind, {"id": "text", "label": "integer"},
                           "time", timedelta(days=1))  # fmt: skip
        world.execute("drop table if exists outcomes")
        world.create(kind)
        world.insert_rows([{"time": f"2024-01-0{n} 00:00:00", "id": f"{n}", "label": 1} for n in (1, 3, 5)])
        assert 3 == world.land()
        world.insert_rows([{"time": "2024-01-04 00:00:00", "id": "late", "label": 1}])
        assert (1, 0) == (world.land(), world.land())


def test_values_of_sqlite_are_of_any_type(sqlite: TableWorld) -> None:
    """A column of numbers with text in it, text that is no UTF-8, bytes, and a text without end."""
    sqlite.column_types = {"id": "text", "time": "text", "label": ""}
    sqlite.create()
    at = {"time": "2024-01-01 00:00:00"}
    sqlite.insert_rows([
        {"seq": 1, "id": "a", "label": 1} | at, {"seq": 2, "id": "b", "label": "2.5"} | at,
        {"seq": 3, "id": "c", "label": "much"} | at, {"seq": 4, "id": "d", "label": b"\xff"} | at,
        {"seq": 5, "id": "x" * 200_000, "label": 3} | at,
    ])  # fmt: skip
    sqlite.execute("insert into outcomes values (6, cast(x'ff41' as text), '2024-01-01', 4)")
    assert 6 == sqlite.land()
    rows, reasons = decoded(sqlite)
    assert {"a": (DAY, 1.0), "b": (DAY, 2.5)} == {name: rows[name] for name in ("a", "b")}
    assert max(map(len, sqlite.rows())) <= 1 << 16
    assert 2 <= len(reasons) <= 3


def test_a_key_of_another_type_hides_no_row(sqlite: TableWorld) -> None:
    """In SQLite text sorts after all numbers: it would be the largest key for ever."""
    sqlite.create("")
    sqlite.insert_rows([{"seq": key, "id": f"{key}", "time": "2024-01-01", "label": 1} for key in (1, "zzz", None, 2)])
    assert 2 == sqlite.land()
    sqlite.insert(3)
    assert (1, 0) == (sqlite.land(), sqlite.land())


def test_times_in_text_are_keys(sqlite: TableWorld) -> None:
    """In ISO 8601, as SQLite's own functions write them; another text is none."""
    sqlite.key, sqlite.overlap, sqlite.column_types = "time", timedelta(minutes=10), {"id": "text", "label": "integer"}
    sqlite.create("text")
    for at in ("2024-01-01 00:00:00", "2024-01-01 00:20:00.5", "yesterday", "2024-01-01 00:15:00"):
        sqlite.insert_rows([{"time": at, "id": at, "label": 1}])
        sqlite.land()
    assert 0 == sqlite.land()
    assert ["2024-01-01 00:00:00", "2024-01-01 00:20:00.5", "2024-01-01 00:15:00"] == sqlite.rows()


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (datetime(1, 1, 1, tzinfo=EAST), "0001-01-01T00:00:00+02:00"),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-2))), "9999-12-31T23:59:59.999999-02:00"),
        (Decimal("sNaN"), "sNaN"),
        (Decimal("1" * 5000), "1" * 5000),
        ([Decimal("1.5"), datetime(2024, 1, 1)], '["1.5", "2024-01-01 00:00:00"]'),
    ],
    ids=["before all years", "after all years", "signaling", "5000 digits", "in an array"],
)
def test_what_no_type_holds_is_its_text(value: Any, plain: str) -> None:
    """It is the decoder's to refuse: an error here would end the reading of all rows, again and again."""
    assert plain == values.plain(value)
