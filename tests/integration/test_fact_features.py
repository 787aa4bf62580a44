"""Fact features on real Flink: batch, stream and in process give the same bits, whatever order the facts come in."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from features.facts import lookup
from features.facts.declaration import FactFeatures
from features.window import UTC, from_ms
from monitors.flink import fact_features_run
from monitors.worker.fact_messages import FactSpec
from tests.support import fact_worlds
from tests.support.fact_worlds import BEGIN, MINUTE, SCHEMA, bits

pytestmark = pytest.mark.slow

NOW = datetime(2024, 2, 1, tzinfo=UTC)
Values = dict[str, dict[str, Any]]
PATIENCE_SECONDS = 120


def in_process(of: FactFeatures, rows: list[dict[str, Any]]) -> Values:
    """Return the values of rows by id, computed in this process."""
    end = from_ms(BEGIN + 200 * MINUTE)
    values = lookup.load(of, start=from_ms(BEGIN), end=end, now=NOW).values
    table = pa.Table.from_pylist(rows)
    made = lookup.add_columns(table, values).select(["id", *of.features]).to_pylist()
    return {row.pop("id"): {name: bits(value) for name, value in row.items()} for row in made}


def by_id(rows: Iterable[dict[str, Any]]) -> Values:
    """Return the values of a run by id."""
    return {row["id"]: {name: bits(value) for name, value in row["values"].items()} for row in rows}


def test_three_ways_give_the_same_bits(tmp_path: Path) -> None:
    """Facts that are late, shuffled, repeated and corrected; one that is stamped in 2099 is a dead letter."""
    facts, rows = fact_worlds.records(600, seed=1), fact_worlds.requests(300, seed=2)
    future: Mapping[str, Any] = {**facts[0], "flight": "odd", "time": 4_070_908_800_000}
    fact_worlds.write(tmp_path / "facts", [*facts, dict(future)], files=7)
    fact_worlds.write(tmp_path / "rows", rows, files=3)
    of = fact_worlds.declared(tmp_path / "facts")
    batch, stream = (
        fact_features_run.run_once(FactSpec(SCHEMA, of), tmp_path / "rows", tmp_path / "logs", streaming=streaming)
        for streaming in (False, True)
    )
    expected = in_process(of, rows)

    assert 250 < sum(row["count"] != bits(0.0) for row in expected.values()) + sum(
        row["pair"] is not None for row in expected.values()
    )
    assert expected == by_id(batch.rows)
    assert expected == by_id(stream.rows)
    assert [["landings", "time"]] * 2 == [
        [one["role"], one["column"]] for run in (batch, stream) for one in run.rejects
    ]


def followed(spec: FactSpec, folder: Path, until: int) -> list[dict[str, Any]]:
    """Run the stream until it has committed so many rows, and stop it."""
    job, committed = fact_features_run.start(spec, folder / "rows", folder / "state", "facts")
    lines: list[str] = []
    end = time.monotonic() + PATIENCE_SECONDS
    try:
        while len(lines) < until:
            assert time.monotonic() < end, f"{len(lines)} of {until} rows"
            job.check()
            committed.reports(lines.extend)
            time.sleep(0.1)
    finally:
        job.stop()
    return [json.loads(line) for line in lines]


def test_a_stream_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Facts of the first run count in the second, from its checkpoint; corrections of them too."""
    facts, rows = fact_worlds.records(200, seed=3), fact_worlds.requests(120, seed=4)
    of = fact_worlds.declared(tmp_path / "facts")
    spec, made = FactSpec(SCHEMA, of), list[dict[str, Any]]()
    for number, known_before in enumerate((BEGIN + 60 * MINUTE, BEGIN + 10**9)):
        low = BEGIN + 60 * MINUTE if number else 0
        new_facts = [fact for fact in facts if low <= fact["reported"] < known_before]
        new_rows = [row for row in rows if low <= row["time"] < known_before]
        fact_worlds.write(tmp_path / "new facts", new_facts, files=1)
        fact_worlds.write(tmp_path / "new rows", new_rows, files=1)
        for name in ("facts", "rows"):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / f"new {name}" / "000.jsonl").rename(tmp_path / name / f"{number}.jsonl")
        made += followed(spec, tmp_path, len(new_rows))

    assert len(rows) == len(made)
    assert in_process(of, rows) == by_id(made)
