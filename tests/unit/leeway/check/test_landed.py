"""`leeway check` on tables: what cannot be read, rows that never are, and a key that does not grow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from leeway.check import landed
from leeway.landed import progress
from leeway.landed.landing import land
from leeway.project.load import Project
from tests.support.table_world import DATABASE, NOW, TableWorld
from tests.unit.leeway.project.test_landed import LABELS


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TableWorld:
    """Return a world on SQLite."""
    url = f"sqlite:///{tmp_path / 'outcomes.db'}"
    monkeypatch.setenv(DATABASE, url)
    return TableWorld(sa.create_engine(url, poolclass=sa.NullPool), url, tmp_path)


def found(world: TableWorld, **changes: Any) -> list[tuple[str, str]]:
    """Return result and message of each check of a project with the world's table."""
    (world.folder / "leeway.yaml").write_text(LABELS)
    model = Project.load(world.folder).model()
    model = replace(model, landed=(world.declared(**changes),))
    return [(check.result, check.message) for check in landed.landed(model, NOW)]


def test_a_good_table_is_read(sqlite: TableWorld) -> None:
    """Its new rows are, and how far is said."""
    sqlite.create()
    sqlite.insert(1, 2)
    assert [("ok", "2 rows of table outcomes read, up to seq 2")] == found(sqlite)


def test_a_table_that_cannot_be_read(sqlite: TableWorld) -> None:
    """One error, with its place and fix."""
    sqlite.create()
    ((result, message),) = found(sqlite, name="outcome")
    assert "error" == result
    assert "models.m.events.labels.table.name: the database has no table `outcome`; did you mean `outcomes`?" in message


def test_rows_that_are_never_read(sqlite: TableWorld) -> None:
    """Without a key, with one of another type, and with one that came later than the overlap allows."""
    sqlite.create("")
    sqlite.insert_rows([{"seq": key, "id": f"{key}", "time": "2024-01-01", "label": 1} for key in (5, 9, None, "x")])
    land([sqlite.declared()], NOW)
    sqlite.insert(1)
    unusable, late, index = found(sqlite)
    assert ("error", "2 rows without a whole number in `seq`, and never read: give them one, or declare another key"
            ) == unusable  # fmt: skip
    assert "1 row became visible more than the overlap behind the largest `seq`, and never read" in late[1]
    assert "raise models.m.events.labels.table.overlap" in late[1]
    assert ("warning", "no index of outcomes begins with `seq`: each reading goes through all rows") == index


def test_an_overlap_of_the_other_kind(sqlite: TableWorld) -> None:
    """Numbers as keys, and a length of time as their overlap."""
    sqlite.create()
    sqlite.insert(1, 2)
    ((result, message),) = found(sqlite, overlap="10m")
    assert "error" == result
    assert "2 rows without a time in ISO 8601 in `seq`" in message


def test_a_key_that_does_not_grow(sqlite: TableWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same one in all rows."""
    monkeypatch.setattr(landed, "MANY_ROWS", 3)
    sqlite.create("integer")
    sqlite.execute("create index by_seq on outcomes (seq)")
    sqlite.insert_rows([{"seq": 7, "id": f"{n}", "time": "2024-01-01", "label": 1} for n in range(3)])
    assert [("error", "`seq` is 7 in all 3 rows: declare a column that grows")] == found(sqlite, overlap=5)


def test_the_status_tells_cursor_and_lag(sqlite: TableWorld) -> None:
    """Also where the database is gone: by what has landed."""
    sqlite.create()
    sqlite.insert(1, 2)
    table = sqlite.declared()
    assert "m: labels: 0 rows of table outcomes read, not to the end yet; 2 rows wait" == progress.read(table, NOW).text
    land([table], NOW)
    sqlite.insert(3)
    later = NOW + timedelta(minutes=5)
    assert (
        "m: labels: 2 rows of table outcomes read up to seq 2, last 5m ago; 1 rows wait"
        == progress.read(table, later).text
    )
    (sqlite.folder / "outcomes.db").unlink()
    gone = progress.read(table, later)
    assert (2, "seq 2", None) == (gone.rows, gone.cursor, gone.waiting)
    assert "there is no database" in gone.problem
