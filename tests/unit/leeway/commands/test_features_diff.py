"""`leeway features diff`: equal where nothing differs, else how many and the first of them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from features.errors import ProjectError
from features.facts import lookup
from features.window import UTC, from_ms
from leeway.project.load import Project
from tests.support import fact_worlds
from tests.support.command_line import document, invoke, printed
from tests.support.fact_worlds import BEGIN, MINUTE

PROJECT = """\
project: flights
facts: {landings: {path: landings, id: flight, known_time: reported, delay: 2m, tile: 5m}}
models:
  late:
    task: binary
    events: {predictions: {path: log}, version: v1}
    features:
      carrier: categorical
      origin: categorical
      delay: {type: numeric, from: landings, key: carrier, mean: delay, window: 20m}
      plane: {type: categorical, from: landings, key: {carrier: carrier, origin: airport}, last: plane, window: 1h}
"""
PERIOD = ("--from", "2024-01-01", "--to", "2024-01-02")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a project whose log has 200 predictions with the very values that the facts give."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    fact_worlds.write(tmp_path / "landings", fact_worlds.records(300, 3), 3)
    rows = fact_worlds.requests(200, 4)
    declared = Project.load(tmp_path).model().facts
    now = datetime(2024, 2, 1, tzinfo=UTC)
    values = lookup.load(declared, start=from_ms(BEGIN), end=from_ms(BEGIN + 200 * MINUTE), now=now).values
    write(tmp_path, lookup.add_columns(pa.Table.from_pylist(rows), values).to_pylist())
    return tmp_path


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write the log."""
    fact_worlds.write(folder / "log", [{**row, "prediction": 0.5} for row in rows], 2)


def logged(folder: Path) -> list[dict[str, Any]]:
    """Return the log."""
    lines = [line for path in sorted((folder / "log").iterdir()) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def test_what_was_computed_alike_is_equal(folder: Path) -> None:
    """To the last bit, in all rows."""
    made = document(folder, "features", "diff", *PERIOD)
    assert (True, 200, 200) == (made["ok"], made["rows"], made["sampled"])
    assert {"delay": {"different": 0, "first": []}, "plane": {"different": 0, "first": []}} == made["features"]


def test_what_differs_is_counted_and_shown(folder: Path) -> None:
    """By feature, the first by time with both values; a last bit is a difference."""
    rows = sorted(logged(folder), key=lambda row: (row["time"], row["id"]))
    odd = [row for row in rows if row["delay"] is not None][:3]
    for row in odd:
        row["delay"] *= 1 + 2**-52
    odd[1]["delay"] = None
    write(folder, rows)
    made = document(folder, "features", "diff", *PERIOD, "--show", "2", code=1)
    delay = made["features"]["delay"]

    assert (False, 3, 0) == (made["ok"], delay["different"], made["features"]["plane"]["different"])
    assert [(row["id"], row["delay"], [row["carrier"]]) for row in odd[:2]] == [
        (one["id"], one["logged"], one["key"]) for one in delay["first"]
    ]
    text = printed(folder, "features", "diff", *PERIOD, code=1)
    assert "200 of 200 logged predictions compared" in text
    assert all(row["id"] in text for row in odd)


def test_a_sample_is_the_same_for_the_same_seed(folder: Path) -> None:
    """Another seed takes other rows; only the period counts."""
    rows = logged(folder)
    for row in rows:
        row["delay"] = -1e9
    write(folder, rows)
    words = ["features", "diff", *PERIOD, "--sample", "20", "--show", "20"]
    first, again, other = (
        document(folder, *words, "--seed", seed, code=1)["features"]["delay"]["first"] for seed in "112"
    )

    assert 20 == len(first)
    assert first == again != other
    assert 0 == document(folder, *words[:2], "--from", "2024-01-02", "--to", "2024-01-03")["rows"]


def test_facts_that_cannot_be_used_are_named(folder: Path) -> None:
    """They are a finding, with their place."""
    (folder / "landings" / "odd.jsonl").write_text('{"flight": "x", "time": "2099-01-01"}\n')
    made = document(folder, "features", "diff", *PERIOD, code=1)

    assert (False, 1) == (made["ok"], made["rejects"][0]["line"])
    assert "odd.jsonl line 1: time is not between" in printed(folder, "features", "diff", *PERIOD, code=1)


def test_a_model_without_such_features_is_an_error(tmp_path: Path) -> None:
    """With what to declare."""
    text = "\n".join(line for line in PROJECT.splitlines() if "landings" not in line)
    (tmp_path / "leeway.yaml").write_text(text)
    with pytest.raises(ProjectError, match="late has no feature of facts to compare"):
        invoke(tmp_path, "features", "diff", *PERIOD, code=None)
