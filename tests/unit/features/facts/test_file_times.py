"""Files of facts that lie elsewhere in time are not read again, and values are as if they were."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from features.facts import lookup, reading
from features.facts.file_times import FileTimes
from features.window import UTC, from_ms
from tests.support import fact_worlds
from tests.support.fact_worlds import BEGIN, MINUTE

DAY = 24 * 60 * MINUTE
NOW = datetime(2024, 3, 1, tzinfo=UTC)


def values(folder: Path, day: int, times: FileTimes | None) -> list[dict[str, Any]]:
    """Return the values of rows of a day."""
    rows = [{**row, "time": row["time"] + day * DAY} for row in fact_worlds.requests(60, 4)]
    start, end = (from_ms(BEGIN + at * DAY) for at in (day, day + 1))
    loaded = lookup.load(fact_worlds.declared(folder), start=start, end=end, now=NOW, times=times)
    made = lookup.add_columns(pa.Table.from_pylist(rows), loaded.values).to_pylist()
    return [{name: fact_worlds.bits(value) for name, value in row.items()} for row in made]


def test_a_second_look_reads_the_files_of_its_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of facts that can count, and those that have changed; the values are the same."""
    for day in range(8):
        facts = [{**fact, "time": fact["time"] + day * DAY, "reported": fact["reported"] + day * DAY}
                 for fact in fact_worlds.records(50, day)]  # fmt: skip
        fact_worlds.write(tmp_path / f"{day}", facts, 1)
    times, read, real = FileTimes(), list[str](), reading.read

    def watched(declared: Any, groups: Any, source: str, chunk: Any, *, now: datetime) -> reading.FactRows:
        read.append(Path(chunk.path).parent.name)
        return real(declared, groups, source, chunk, now=now)

    monkeypatch.setattr(lookup.reading, "read", watched)
    for day in (0, 5, 7):
        assert values(tmp_path, day, None) == values(tmp_path, day, times)
    read.clear()
    values(tmp_path, 5, times)

    assert ["4", "5"] == read  # a correction may have moved a fact by a day
    (tmp_path / "0" / "000.jsonl").write_text("\n" + (tmp_path / "0" / "000.jsonl").read_text())
    read.clear()
    values(tmp_path, 5, times)
    assert "0" in read
