"""The function of the job over topics: records in, messages, dead letters and progress out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from features.events.encode import DIGEST
from features.facts.declaration import NO_FACTS
from features.kafka.records import Records
from features.schema import Source
from features.values.untyped import Reject
from monitors.job_spec import FIELD_SEPARATOR
from monitors.worker import record_answers
from registry.files import artifacts
from serving.nearline.champion_file import Champion
from serving.nearline.loaded_champion import LoadedChampion
from serving.nearline.record_scoring import RecordScoring
from serving.nearline.worker_model import WorkerModel
from serving.predictors.backoff import FIRST_RETRY
from tests.support import serving_world as world

EVENT = {"id": "a", "time": "2025-01-01", "x": 1.0, "z": 1.0, "c": "a"}


def _set_aside(_: str, __: Sequence[Reject]) -> None:
    raise AssertionError


def name_champion(folder: Path, version: str, seed: int, *, nullable: tuple[str, ...] = ("c",)) -> str:
    """Put a version into the store and the champion's file; return its digest."""
    digest = artifacts.ArtifactStore(folder / "artifacts").put(artifacts.dump_model(world.linear(seed)))
    (folder / "champion.json").write_text(json.dumps(asdict(Champion(version, digest, nullable))))
    return digest


def scoring(folder: Path, kind: Any = "json") -> RecordScoring:
    """Return what answers records into a topic of a format."""
    target = Source(topic="out", format=kind)
    model = WorkerModel(world.SCHEMA, NO_FACTS, folder / "champion.json", folder / "artifacts", world.TRUST, _set_aside,
                        lambda: world.NOW)  # fmt: skip
    return RecordScoring(model, target, folder)


def records(*values: Any, kind: Any = "json") -> Records:
    """Return records of one partition from offset 5 on."""
    own = [v if isinstance(v, bytes) or v is None else json.dumps(v).encode() for v in values]
    return Records("in", kind, [0] * len(own), range(5, 5 + len(own)), own)


def test_what_cannot_be_answered_is_a_dead_letter_with_its_place_and_the_others_are_answered(tmp_path: Path) -> None:
    """No JSON, a tombstone, a value without which the model has no answer: each with offset and reason, and counted."""
    digest = name_champion(tmp_path, "v1", 1)
    missing = {**EVENT, "id": "b", "x": None}
    answers = scoring(tmp_path).open()(records(b"oops", EVENT, None, missing))
    (message,) = answers.messages
    made, progress = json.loads(message.value), json.loads(answers.progress)
    places = [letter.split(FIELD_SEPARATOR)[:4] for letter in answers.letters]

    assert (b"a", 1735689600000) == (message.key, message.time)
    assert ("a", "v1", digest) == (made["id"], made["model_version"], made[DIGEST])
    assert 0 < made["prediction"] < 1
    assert [["requests", "in", "0", str(offset)] for offset in (5, 7, 8)] == places
    assert ("requests", "v1", 1, 3) == tuple(progress[key] for key in ("role", "version", "rows", "rejected"))
    assert "x is missing, and m v1 has no answer without it" in progress["reasons"]


def test_columnar_records_are_answered_in_no_more_records(tmp_path: Path) -> None:
    """A record of 2,500 events is one of 2,500 predictions, with version and digest as columns."""
    digest = name_champion(tmp_path, "v1", 1)
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist([{**EVENT, "id": str(i)} for i in range(2500)])
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    answers = scoring(tmp_path, "arrow").open()(records(sink.getvalue().to_pybytes(), kind="arrow"))
    made = pa.ipc.open_stream(answers.messages[0].value).read_all()

    assert [2500] == [message.events for message in answers.messages]
    assert {digest} == set(made[DIGEST].to_pylist())


def test_a_new_champion_that_cannot_be_loaded_is_tried_again_later(tmp_path: Path) -> None:
    """The store is away for a while: the old one answers on; the new one does once its file can be read."""
    name_champion(tmp_path, "v1", 1)
    now = 0.0
    own = LoadedChampion(world.SCHEMA, tmp_path / "champion.json", tmp_path / "artifacts", world.TRUST, lambda: now)
    name_champion(tmp_path, "v2", 2)
    (tmp_path / "artifacts").rename(tmp_path / "away")
    own.follow()
    before = own.champion.version
    (tmp_path / "away").rename(tmp_path / "artifacts")
    own.follow()
    at_once = own.champion.version
    now = FIRST_RETRY
    own.follow()
    (tmp_path / "champion.json").unlink()
    own.follow()

    assert ("v1", "v1", "v2") == (before, at_once, own.champion.version)


def test_answers_are_rows_for_flink_of_which_those_without_a_message_have_no_value(tmp_path: Path) -> None:
    """Letters and progress are in the first row, once a batch."""
    name_champion(tmp_path, "v1", 1)
    frame = record_answers.frame(scoring(tmp_path).open()(records(b"oops", EVENT)), 2)

    assert [True, False] == frame["v"].notna().tolist()
    assert [True, False] == frame["progress"].notna().tolist()
    assert 1 == len(frame["letters"][0])


@pytest.mark.parametrize("batch", [1, 3])
def test_an_answer_does_not_depend_on_what_else_is_in_the_batch(tmp_path: Path, batch: int) -> None:
    """The same requests in batches of any size have the same predictions, to the last digits of sums."""
    name_champion(tmp_path, "v1", 1)
    answer, events = scoring(tmp_path).open(), [{**EVENT, "id": str(i), "x": i / 3} for i in range(6)]
    whole = [json.loads(m.value)["prediction"] for m in answer(records(*events)).messages]
    parts = [json.loads(m.value)["prediction"] for i in range(0, 6, batch)
             for m in answer(records(*events[i : i + batch])).messages]  # fmt: skip

    assert whole == pytest.approx(parts, rel=1e-12)
