"""Scoring of a part: which events are answered, which become dead letters, and that a part is done once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from features import errors
from features.facts.declaration import NO_FACTS
from features.kafka import offset_ranges
from features.kafka.offset_ranges import Range
from features.kafka.records import Records
from features.schema import Source
from features.window import UTC, to_ms
from registry.files import artifacts
from serving.batch import part_scoring, row_answers, run_plan
from serving.batch.part_scoring import PartScoring
from serving.batch.run_plan import Part
from serving.offline import EventPeriod
from serving.prediction_log.event_table import DIGEST
from tests.support import serving_world as world

START = datetime(2024, 1, 1, tzinfo=UTC)
PERIOD = EventPeriod(START, START + timedelta(hours=1))


def lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as JSON Lines, a second apart from the start of the period."""
    times = ({"id": f"r{i}", "time": to_ms(START) + 1000 * i, **row} for i, row in enumerate(rows))
    return "".join(f"{json.dumps(row)}\n" for row in times)


def events(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return *n* rows that any version answers."""
    return world.rows(n, seed)[0].to_dict("records")


def scoring_by(folder: Path, model: Any, *nullable: str) -> PartScoring:
    """Return what scores a part by *model* into the folder `out`."""
    store, target = artifacts.ArtifactStore(folder / "artifacts"), folder / "out"
    with run_plan.locked(target):
        digest = store.put(artifacts.dump_model(model))
    return PartScoring(world.SCHEMA, NO_FACTS, "v7", digest, store.root, world.TRUST, frozenset(nullable), PERIOD,
                       world.NOW, target)  # fmt: skip


def score(task: PartScoring, folder: Path, text: str) -> tuple[Part, part_scoring.Receipt, list[dict[str, Any]]]:
    """Score a file with *text*; return the part, its receipt and its predictions."""
    (folder / "in.jsonl").write_text(text)
    (part,) = run_plan.parts_of(folder / "in.jsonl")
    task.open()(part.encode())
    path = task.target / part.name
    rows = pq.read_table(path).to_pylist() if path.exists() else []
    return part, part_scoring.read_receipt(task.target, part), rows


def test_predictions_carry_version_and_digest(tmp_path: Path) -> None:
    """They are those of the model on the rows of the period, in their order."""
    task, rows = scoring_by(tmp_path, world.linear()), events(5)
    late = {**rows[0], "id": "late", "time": to_ms(START + timedelta(hours=1))}
    _, receipt, made = score(task, tmp_path, lines([*rows, late]))
    expected = world.linear().predict_proba(world.rows(5, 0)[0])[:, 1]

    assert part_scoring.Receipt(5, ()) == receipt
    assert [f"r{i}" for i in range(5)] == [row["id"] for row in made]
    assert expected.tolist() == [row["prediction"] for row in made]
    assert {("v7", task.digest)} == {(row["model_version"], row[DIGEST]) for row in made}


def test_rows_without_an_answer_are_dead_letters(tmp_path: Path) -> None:
    """No record, a value that is missing, and one that the model refuses: each with line and reason, and no others."""
    task, rows = scoring_by(tmp_path, world.picky()), events(300)
    rows[7]["x"], rows[100]["c"], rows[299]["c"] = None, "never seen", "nor this"
    _, receipt, made = score(task, tmp_path, lines(rows) + "oops\n")

    assert {f"r{i}" for i in range(300)} - {"r7", "r100", "r299"} == {row["id"] for row in made}
    assert [row["id"] for row in made] == sorted((row["id"] for row in made), key=lambda name: int(name[1:]))
    assert 297 == receipt.rows
    assert [301, 8, 101, 300] == [one.line for one in receipt.rejects]
    why = [one.reason for one in receipt.rejects]
    assert why[1] == "x is missing, and m v7 has no answer without it"
    assert all("the model refuses it: ValueError" in reason for reason in why[2:])
    assert ("r100", "never seen") == tuple(json.loads(receipt.rejects[2].raw)[key] for key in ("id", "c"))


def test_a_value_that_the_model_does_not_need_may_be_missing(tmp_path: Path) -> None:
    """It is answered as online."""
    task = scoring_by(tmp_path, world.trees(), "x")
    _, receipt, made = score(task, tmp_path, lines([{**events(1)[0], "x": None}]))
    assert (1, (), 1) == (receipt.rows, receipt.rejects, len(made))


def test_a_model_that_refuses_everything_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is at fault, not the rows; the part has no receipt."""
    monkeypatch.setattr(row_answers, "MAX_REFUSED", 3)
    task = scoring_by(tmp_path, world.picky())
    with pytest.raises(errors.DataError, match="m v7 refuses more than 3 rows of a part: the model refuses it"):
        score(task, tmp_path, lines({**row, "c": "never seen"} for row in events(9)))
    assert [] == list((task.target / "_run" / "parts").iterdir())


def test_an_answer_that_is_no_number_is_a_dead_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Monitors could not read such a prediction."""
    monkeypatch.setattr(row_answers.offline.model, "predict", lambda *_: np.array([0.5, np.nan, np.inf]))
    _, receipt, made = score(scoring_by(tmp_path, world.linear()), tmp_path, lines(events(3)))
    assert [0.5] == [row["prediction"] for row in made]
    assert ["the model's answer is missing or not finite"] * 2 == [one.reason for one in receipt.rejects]


def test_a_part_that_is_done_is_not_done_again(tmp_path: Path) -> None:
    """One that lacks its receipt or its predictions is, and leaves the same bytes."""
    task = scoring_by(tmp_path, world.linear())
    part, _, _ = score(task, tmp_path, lines(events(3)))
    path, receipt = task.target / part.name, part_scoring.receipt_path(task.target, part)
    first = path.read_bytes()
    path.write_bytes(b"untouched")
    task.open()(part.encode())
    assert b"untouched" == path.read_bytes()
    for lost in (receipt, path):
        lost.unlink()
        task.open()(part.encode())
        assert first == path.read_bytes()


@pytest.mark.parametrize("ending", [".parquet", ".json"])
def test_predictions_are_seen_when_the_part_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """Whichever of its files cannot be written, no predictions are left: it will be done again."""
    task, write_whole = scoring_by(tmp_path, world.linear()), artifacts.write_whole

    def fails(path: Path, data: bytes) -> None:
        if path.suffix == ending:
            raise OSError("no space left")
        write_whole(path, data)

    monkeypatch.setattr(artifacts, "write_whole", fails)
    with pytest.raises(OSError, match="no space left"):
        score(task, tmp_path, lines(events(3)))
    (part,) = run_plan.parts_of(tmp_path / "in.jsonl")
    assert [] == list(task.target.glob("*.parquet"))
    assert not part_scoring.is_done(task.target, part)


def test_a_part_without_rows_leaves_only_its_receipt(tmp_path: Path) -> None:
    """Outside of the period there is nothing to answer."""
    early = {**events(1)[0], "time": to_ms(START) - 1}
    _, receipt, made = score(scoring_by(tmp_path, world.linear()), tmp_path, lines([early]))
    assert (part_scoring.Receipt(0, ()), []) == (receipt, made)
    assert ["_run"] == [path.name for path in (tmp_path / "out").iterdir()]


def test_records_of_a_topic_are_named_by_their_offsets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part is a range of offsets that was fixed when the run began; offsets may be missing from it."""
    task, rows = scoring_by(tmp_path, world.linear()), events(3)
    rows[1]["x"] = None
    values = [*lines(rows).encode().splitlines(), b"oops"]
    batch = Records.of(Source(topic="t", bootstrap="b:1"), [2] * 4, [10, 13, 14, 17], values)
    monkeypatch.setattr(offset_ranges, "fetch", lambda _: batch)
    part = Part("000000-t-2-10.parquet", Range("b:1", "t", 2, 10, 18, "json").encode())
    task.open()(part.encode())
    receipt = part_scoring.read_receipt(task.target, part)

    assert ["r0", "r2"] == pq.read_table(task.target / part.name)["id"].to_pylist()
    assert [("t/2", 17), ("t/2", 13)] == [(one.path, one.line) for one in receipt.rejects]


def test_an_altered_model_file_is_not_loaded(tmp_path: Path) -> None:
    """A worker checks the digest itself."""
    task = scoring_by(tmp_path, world.linear())
    artifacts.ArtifactStore(task.store).path(task.digest).write_bytes(b"other")
    with pytest.raises(errors.ArtifactError, match="sha256 differs"):
        task.open()
