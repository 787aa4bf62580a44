"""The function of the streaming job: by which version a chunk is scored, and that it is scored once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq

from features.events import location
from features.facts.declaration import NO_FACTS
from features.values.untyped import Reject
from registry.files import artifacts
from serving.batch import run_plan
from serving.nearline.champion_file import Champion
from serving.nearline.stream_scoring import StreamScoring, part_of
from serving.nearline.worker_model import WorkerModel
from tests.support import serving_world as world


def _now() -> datetime:
    return world.NOW


def scoring_by(folder: Path, letters: list[tuple[str, int]]) -> StreamScoring:
    """Return what scores chunks into the folder `out`; dead letters are added to *letters* by role and line."""

    def set_aside(role: str, rejects: Sequence[Reject]) -> None:
        letters.extend((role, one.line) for one in rejects)

    with run_plan.locked(folder / "out"):
        pass
    model = WorkerModel(world.SCHEMA, NO_FACTS, folder / "champion.json", folder / "artifacts", world.TRUST, set_aside,
                        _now)  # fmt: skip
    return StreamScoring(model, folder / "out")


def name_champion(folder: Path, version: str, seed: int, *, broken: bool = False) -> None:
    """Put a version into the champion's file."""
    store = artifacts.ArtifactStore(folder / "artifacts")
    digest = store.put(b"no model" if broken else artifacts.dump_model(world.linear(seed)))
    (folder / "champion.json").write_text(json.dumps(asdict(Champion(version, digest, ("c",)))))


def chunk(folder: Path, name: str, text: str = "") -> str:
    """Write a file with an event (and *text*), and return the reference to it."""
    event = {"id": name, "time": "2025-01-01", "x": 1.0, "z": 1.0, "c": "a"}
    (folder / f"{name}.jsonl").write_text(f"{json.dumps(event)}\n{text}")
    (reference,) = location.references(folder / f"{name}.jsonl")
    return reference.encode()


def versions(folder: Path) -> dict[str, str]:
    """Return the version of each prediction, by its id."""
    tables = [pq.read_table(path).to_pylist() for path in (folder / "out").glob("*.parquet")]
    return {row["id"]: row["model_version"] for rows in tables for row in rows}


def test_a_chunk_is_scored_by_the_champion_of_its_moment(tmp_path: Path) -> None:
    """A version that cannot be loaded changes nothing, and the next one is taken."""
    name_champion(tmp_path, "v1", 1)
    call = scoring_by(tmp_path, []).open()
    for name, version, broken in (("a", "v1", False), ("b", "v2", False), ("c", "v3", True), ("d", "v4", False)):
        name_champion(tmp_path, version, int(version[1]), broken=broken)
        call(chunk(tmp_path, name))
    assert {"a": "v1", "b": "v2", "c": "v2", "d": "v4"} == versions(tmp_path)


def test_a_chunk_that_comes_again_stays_as_it_is(tmp_path: Path) -> None:
    """By another worker and under another champion too; its dead letters are not added again."""
    letters: list[tuple[str, int]] = []
    name_champion(tmp_path, "v1", 1)
    task, reference = scoring_by(tmp_path, letters), chunk(tmp_path, "a", "oops\n")
    task.open()(reference)
    name_champion(tmp_path, "v2", 2)
    task.open()(reference)

    assert {"a": "v1"} == versions(tmp_path)
    assert [("requests", 2)] == letters


def test_files_of_one_name_in_two_folders_are_two_parts(tmp_path: Path) -> None:
    """And a part has the same name whenever it comes."""
    references = []
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        references.append(chunk(tmp_path / folder, "a"))
    names = [part_of(reference).name for reference in (*references, references[0])]
    assert names[0] == names[2] != names[1]
    assert all(name.startswith("a-") for name in names)
