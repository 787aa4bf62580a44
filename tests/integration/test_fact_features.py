"""Fact features on real Flink: batch, stream and in process give the same bits, whatever order the facts come in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from features.facts import lookup
from features.facts.declaration import FactFeatures
from features.window import UTC, from_ms
from monitors.flink import fact_features_job
from monitors.worker.fact_messages import FactSpec
from tests.support import fact_worlds
from tests.support.fact_worlds import BEGIN, MINUTE, SCHEMA, bits

pytestmark = pytest.mark.slow

NOW = datetime(2024, 2, 1, tzinfo=UTC)
Values = dict[str, dict[str, Any]]


def in_process(of: FactFeatures, rows: list[dict[str, Any]]) -> Values:
    """Return the values of rows by id, computed in this process."""
    end = from_ms(BEGIN + 200 * MINUTE)
    values = lookup.load(of, start=from_ms(BEGIN), end=end, now=NOW).values
    table = pa.Table.from_pylist(rows)
    made = lookup.add_columns(table, values).select(["id", *of.features]).to_pylist()
    return {row.pop("id"): {name: bits(value) for name, value in row.items()} for row in made}


def by_id(outcome: fact_features_job.Outcome) -> Values:
    """Return the values of a run by id."""
    return {row["id"]: {name: bits(value) for name, value in row["values"].items()} for row in outcome.rows}


def test_three_ways_give_the_same_bits(tmp_path: Path) -> None:
    """Facts that are late, shuffled, repeated and corrected; one that is stamped in 2099 is a dead letter."""
    facts, rows = fact_worlds.records(600, seed=1), fact_worlds.requests(300, seed=2)
    future: Mapping[str, Any] = {**facts[0], "flight": "odd", "time": 4_070_908_800_000}
    fact_worlds.write(tmp_path / "facts", [*facts, dict(future)], files=7)
    fact_worlds.write(tmp_path / "rows", rows, files=3)
    of = fact_worlds.declared(tmp_path / "facts")
    batch, stream = (
        fact_features_job.run_once(FactSpec(SCHEMA, of), tmp_path / "rows", tmp_path / "logs", streaming=streaming)
        for streaming in (False, True)
    )
    expected = in_process(of, rows)

    assert 250 < sum(row["count"] != bits(0.0) for row in expected.values()) + sum(
        row["pair"] is not None for row in expected.values()
    )
    assert expected == by_id(batch)
    assert expected == by_id(stream)
    assert [["landings", "time"]] * 2 == [
        [one["role"], one["column"]] for run in (batch, stream) for one in run.rejects
    ]
