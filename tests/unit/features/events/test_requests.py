"""Events without predictions are read by the same decoder."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.events import decode, requests
from features.schema import EventSchema, FeatureKind, Task

SCHEMA = EventSchema(model="m", task=Task.BINARY, features={"x": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL})
ROWS = [("a", "2013-03-01T06:00:00Z", "1.5", "u"), ("b", "2013-03-01T07:00:00Z", "", "v")]


def write(folder: Path, suffix: str) -> Path:
    """Write two events, the second without a number, and two records that are none."""
    if suffix == ".csv":
        lines = ["id,time,x,c", *(",".join(row) for row in ROWS), "c,yesterday,1,u", "d,2013-03-01,1,u,more"]
    else:
        lines = [f'{{"id": "{i}", "time": "{t}", "x": {x or "null"}, "c": "{c}"}}' for i, t, x, c in ROWS]
        lines += ['{"id": "c", "time": "yesterday", "x": 1, "c": "u"}', "not json"]
    (folder / f"events{suffix}").write_text("".join(f"{line}\n" for line in lines))
    return folder


@pytest.mark.parametrize(("suffix", "lines"), [(".jsonl", {3, 4}), (".csv", {4, 5})])
def test_events_are_typed_and_bad_records_keep_their_place(tmp_path: Path, suffix: str, lines: set[int]) -> None:
    """The prediction is null, whatever is wrong is set aside with file and line."""
    read = requests.read_requests(SCHEMA, write(tmp_path, suffix))
    assert [["a", "b"], [1.5, None], ["u", "v"]] == [read.table[name].to_pylist() for name in ("id", "x", "c")]
    assert [None, None] == read.table["prediction"].to_pylist()
    assert lines == {r.line for r in read.rejects}
    assert {str(tmp_path / f"events{suffix}")} == {r.path for r in read.rejects}


def test_the_table_is_one_of_predictions(tmp_path: Path) -> None:
    """Whoever takes predictions takes it too, columns and types alike; also where there is nothing to read."""
    expected = decode.empty(SCHEMA, "predictions").schema
    empty = tmp_path / "empty"
    empty.mkdir()
    for read in (requests.read_requests(SCHEMA, empty), requests.read_requests(SCHEMA, write(tmp_path, ".jsonl"))):
        assert set(expected) == set(read.table.schema)


def test_answers_in_the_events_are_not_looked_at(tmp_path: Path) -> None:
    """Not even one that could not be read."""
    (tmp_path / "e.jsonl").write_text(
        '{"id": "a", "time": 1704067200000, "prediction": "high", "model_version": "v1"}\n'
    )
    read = requests.read_requests(SCHEMA, tmp_path)
    assert ([None], ()) == (read.table["prediction"].to_pylist(), read.rejects)
