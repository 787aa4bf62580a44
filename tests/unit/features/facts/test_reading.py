"""Facts of files: the same from every format, told apart by key, with dead letters for what cannot be used."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.facts import reading
from features.facts.declaration import FactFeatures
from features.facts.fact import Fact
from features.facts.groups import groups
from features.files import file_chunks
from features.window import UTC
from tests.support.fact_worlds import BEGIN, declared

NOW = datetime(2024, 2, 1, tzinfo=UTC)
ROW = {"flight": "1", "carrier": "UA", "airport": "EWR", "time": BEGIN, "reported": BEGIN + 1, "delay": 4, "plane": 7.0}


def read(folder: Path, of: FactFeatures | None = None) -> reading.FactRows:
    """Return the facts of the one file in *folder*."""
    (path,) = folder.iterdir()
    (chunk,) = file_chunks.chunks(path)
    of = of or declared(folder)
    return reading.read(of, groups(of), "landings", chunk, now=NOW)


def of_lines(folder: Path, rows: list[dict[str, Any]], of: FactFeatures | None = None) -> reading.FactRows:
    """Return the facts of a JSON Lines file of *rows*."""
    (folder / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return read(folder, of)


def test_a_fact_is_the_same_from_every_format(tmp_path: Path) -> None:
    """Numbers, texts, ids and both times, from JSON, Parquet and CSV; each group has its own columns."""
    formats = {name: tmp_path / name for name in ("jsonl", "parquet", "csv")}
    for name, folder in formats.items():
        folder.mkdir()
        path = folder / f"a.{name}"
        if name == "parquet":
            pq.write_table(pa.Table.from_pylist([ROW]), path)
        else:
            path.write_text(f"{json.dumps(ROW)}\n" if name == "jsonl" else f"{','.join(ROW)}\n{_csv(ROW)}\n")
    of = declared(tmp_path)
    carrier, pair = (group.name for group in groups(of))
    expected = {
        carrier: [(("UA",), Fact("1", BEGIN, BEGIN + 1, ("4", 4.0, "7")))],
        pair: [(("UA", "EWR"), Fact("1", BEGIN, BEGIN + 1, (4.0,)))],
    }
    assert [expected] * 3 == [read(folder, of).by_group for folder in formats.values()]


def _csv(row: dict[str, Any]) -> str:
    return ",".join(map(str, row.values()))


def test_what_cannot_be_used_is_set_aside_with_the_reason(tmp_path: Path) -> None:
    """Stamped far in the future, no time, a text for a number, an infinite number: each costs itself alone."""
    odd = [{"time": 4_070_908_800_000}, {"reported": 4_070_908_800_000}, {"time": None}, {"delay": "x"},
           {"delay": 1e200}, {"flight": None}]  # fmt: skip
    rows = of_lines(tmp_path, [ROW, *({**ROW, **change} for change in odd)])
    reasons = [(one.line, one.column, one.reason.partition(" (")[0]) for one in rows.rejects]

    number = "is not a number or not a finite number"
    outside = "is not between 1990-01-01 and a day from now"
    assert [
        (2, "time", f"time {outside}"), (3, "reported", f"reported {outside}"), (4, "time", "time is missing"),
        (5, "delay", f"delay {number}"), (6, "delay", f"delay {number}"),
        (7, "flight", "flight is missing"),
    ] == reasons  # fmt: skip
    assert "(facts.landings.times)" in rows.rejects[0].reason
    assert [1, 1] == [len(facts) for facts in rows.by_group.values()]


def test_a_fact_without_a_key_is_of_no_key(tmp_path: Path) -> None:
    """It counts in the groups whose key it has."""
    rows = of_lines(tmp_path, [{**ROW, "airport": None}])

    assert ([1, 0], ()) == ([len(facts) for facts in rows.by_group.values()], rows.rejects)


def test_without_an_id_a_fact_is_its_content(tmp_path: Path) -> None:
    """A record that is delivered twice is one fact, another one of the same moment is two."""
    of = declared(tmp_path, id=None, known_time=None)
    rows = of_lines(tmp_path, [ROW, ROW, {**ROW, "delay": 5}], of)
    facts = [fact for _, fact in rows.by_group[groups(of)[0].name]]

    assert facts[0] == facts[1] != facts[2]
    assert [BEGIN] * 3 == [fact.known_time for fact in facts]
    assert facts[0].id != facts[2].id


def test_without_an_id_a_time_that_is_read_as_a_value_is_still_a_moment(tmp_path: Path) -> None:
    """`age: time` reads it as text: one fact in two spellings of its time stays one."""
    feature = {"type": "numeric", "from": "landings", "key": "carrier", "age": "time", "window": "1h"}
    source = {"path": str(tmp_path), "known_time": "reported"}
    of = FactFeatures.model_validate({"features": {"age": feature}, "sources": {"landings": source}})
    spelled = f"{datetime.fromtimestamp(BEGIN / 1000, UTC):%Y-%m-%dT%H:%M:%S.%f+00:00}"
    ((one, other),) = of_lines(tmp_path, [ROW, {**ROW, "time": spelled}], of).by_group.values()

    assert one[1].id == other[1].id
    assert one[1].time == other[1].time == BEGIN


def test_minus_zero_is_zero(tmp_path: Path) -> None:
    """The smallest of both is the same in any order."""
    rows = of_lines(tmp_path, [{**ROW, "delay": -0.0}])
    (((_, fact), *_), _) = rows.by_group.values()

    assert "0.0" == str(fact.values[1])


def test_a_file_that_cannot_be_read_is_a_dead_letter(tmp_path: Path) -> None:
    """It stops no other file."""
    (tmp_path / "a.parquet").write_text("none")
    chunk = file_chunks.Chunk(str(tmp_path / "a.parquet"), "parquet", 0, 1, 1)
    of = declared(tmp_path)

    assert 1 == len(reading.read(of, groups(of), "landings", chunk, now=NOW).rejects)
