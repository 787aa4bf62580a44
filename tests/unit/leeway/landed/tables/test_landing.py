"""Tables that are followed through an outage, and labels and facts that are those of files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from features.events import decode
from features.facts import lookup
from features.facts.declaration import FactFeatures, FactSource
from features.window import from_ms
from leeway.landed import last_read
from leeway.landed.landing import following, land
from leeway.landed.tables.table_reader import TableReader
from leeway.project import landed
from tests.support import fact_worlds, labelled_log
from tests.support.table_world import NOW, TableWorld

PATIENCE_SECONDS = 60


def wait_until(reached: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_followed_table_is_read_through_an_outage(sqlite: TableWorld) -> None:
    """The reason is reported once, and what comes after it lands."""
    sqlite.create()
    sqlite.insert(1)
    table, reported = sqlite.declared(poll="1s"), list[str]()
    path = sqlite.folder / "outcomes.db"
    with following([table], lambda: NOW, reported.append):
        assert table.folder.is_dir()
        wait_until(lambda: sqlite.rows() == ["r1"])
        path.rename(path.with_suffix(".away"))
        wait_until(lambda: bool(last_read.read(table).problem))
        path.with_suffix(".away").rename(path)
        sqlite.insert(2)
        wait_until(lambda: sqlite.rows() == ["r1", "r2"])
    (problem,) = reported
    assert "unable to open database file" in problem
    assert "" == last_read.read(table).problem


def test_an_error_that_nobody_foresaw_ends_nothing(sqlite: TableWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported once and noted for the status, and what is there lands once the reader can go on."""
    sqlite.create()
    sqlite.insert(1)
    table, reported, looks = sqlite.declared(poll="1s"), list[str](), list[int]()
    land_rows = TableReader.land

    def fails_at_first(reader: TableReader, now: datetime) -> int:
        looks.append(1)
        if len(looks) < 4:
            msg = "no such digit"
            raise ValueError(msg)
        return land_rows(reader, now)

    monkeypatch.setattr(TableReader, "land", fails_at_first)
    with following([table], lambda: NOW, reported.append):
        assert "ValueError: no such digit" == last_read.read(table).problem
        wait_until(lambda: sqlite.rows() == ["r1"])
    assert ["ValueError: no such digit"] == reported
    assert "" == last_read.read(table).problem


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("I/O operation on closed file.")])
def test_a_report_that_nobody_hears_ends_nothing(sqlite: TableWorld, error: Exception) -> None:
    """As where stderr is closed: the problem is noted for the status, and what comes after it lands."""
    table, told = sqlite.declared(poll="1s"), list[str]()

    def report(text: str) -> None:
        told.append(text)
        raise error

    with following([table], lambda: NOW, report):
        assert last_read.read(table).problem
        sqlite.create()
        sqlite.insert(1)
        wait_until(lambda: sqlite.rows() == ["r1"])
    assert told


def test_labels_of_a_table_are_those_of_files(sqlite: TableWorld) -> None:
    """The same records in both, late, early, corrected, repeated and wrong: equal rows, and as many set aside."""
    ((_, _), (_, labels)) = labelled_log.write(sqlite.folder / "log")
    of_files = decode.read_events(labelled_log.SCHEMA, "labels", labels, now=NOW)
    records = [json.loads(line) for path in sorted(labels.glob("*")) for line in path.read_text().splitlines()]
    sqlite.column_types = {"id": "text", "time": "", "label": ""}
    sqlite.create()
    sqlite.insert_rows(records)
    sqlite.reader(page_rows=100).land(NOW)
    of_table = decode.read_events(labelled_log.SCHEMA, "labels", sqlite.declared().folder, now=NOW)
    order = [(name, "ascending") for name in of_files.table.column_names]
    assert of_files.table.sort_by(order).equals(of_table.table.sort_by(order))
    assert len(of_files.rejects) == len(of_table.rejects) > 5


def test_features_of_facts_in_a_table_are_those_of_files(sqlite: TableWorld) -> None:
    """Corrected, late, repeated and shuffled facts: the values of rows are equal bit for bit."""
    declared, records = fact_worlds.declared(sqlite.folder / "files"), fact_worlds.records(200, 1)
    fact_worlds.write(sqlite.folder / "files", records, 7)
    own = declared.sources["landings"].model_dump(exclude={"path", "csv"})
    source = FactSource(**own, table=sqlite.declared().table)
    read = {column for one in declared.features.values() for column in (one.column, *(of for _, of in one.key))}
    table = landed.of_facts("landings", source, read, sqlite.folder, sqlite.folder)
    sqlite.column_types = dict.fromkeys(table.columns, "")
    sqlite.create()
    sqlite.insert_rows([{column: record[column] for column in table.columns} for record in records])
    assert len(records) == land([table], NOW)
    there = declared.model_copy(update={"sources": {"landings": source.files(table.folder)}})
    assert values(declared) == values(there)
    assert any(row["mean"] is not None for row in values(there))


def values(declared: FactFeatures) -> list[dict[str, Any]]:
    """Return rows with their features of facts."""
    end = from_ms(fact_worlds.BEGIN + 200 * fact_worlds.MINUTE)
    loaded = lookup.load(declared, start=from_ms(fact_worlds.BEGIN), end=end, now=NOW)
    rows = pa.Table.from_pylist(fact_worlds.requests(50, 2))
    return [*lookup.add_columns(rows, loaded.values).to_pylist()]
