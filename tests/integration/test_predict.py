"""`leeway predict` on real Flink: the answers of `leeway score`, each part once, whatever is killed in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitors.flink import parts_job
from serving.prediction_log.event_table import DIGEST
from tests.support import serving_world as world
from tests.support import without_engine
from tests.support.command_line import document, invoke

pytestmark = pytest.mark.slow

BEGIN = 1_704_067_200_000  # 2024-01-01
HOUR = 3_600_000
FILES, ROWS = 40, 300
PERIOD = ("--from", "2024-01-01", "--to", "2024-01-03")
FACTS = "facts: {f: {path: facts, id: n, tile: 1m, delay: 1m}}\nmodels:\n"
Z = "z: {type: numeric, from: f, key: c, mean: delay, window: 30m, empty: -1}"
NO_ROWS = 'oops\n{"id": "none", "time": 1704067200000, "x": null, "c": "a"}\n'
"""A record that is none, and one without a value that the model needs."""
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with a feature of facts; events in 40 files and in three row groups of another, the same twice.

    Those in `clean` can all be answered; beside the same in `events` are records that cannot.
    """
    root = world.project(tmp_path_factory.mktemp("predict"))
    (root / "leeway.yaml").write_text(world.PROJECT.replace("models:\n", FACTS).replace("z: numeric", Z))
    for name in ("facts", "clean", "events"):
        (root / name).mkdir()
    facts = [{"n": i, "time": BEGIN + i * 600_000, "c": "abd"[i % 3], "delay": i % 7} for i in range(280)]
    facts.append({"n": -1, "time": "2099-01-01", "c": "a", "delay": 1})
    (root / "facts" / "0.jsonl").write_text("".join(f"{json.dumps(fact)}\n" for fact in facts))
    for number in range(FILES):
        frame, _ = world.rows(ROWS, number)
        at = [BEGIN + number * HOUR + 3000 * i for i in range(ROWS)]
        events = frame.drop(columns="z").assign(id=[f"{number}-{i}" for i in range(ROWS)], time=at)
        text = events.to_json(orient="records", lines=True)
        (root / "clean" / f"{number:02}.jsonl").write_text(text)
        (root / "events" / f"{number:02}.jsonl").write_text(text + NO_ROWS * (number % 2))
    for name in ("clean", "events"):
        pq.write_table(pa.Table.from_pandas(events), root / name / "99.parquet", row_group_size=ROWS // 3 + 1)
    return root


def files(target: Path) -> dict[str, bytes]:
    """Return the prediction events of a run, by name of their file."""
    return {path.name: path.read_bytes() for path in sorted(target.glob("*")) if path.is_file()}


def letters(folder: Path) -> set[str]:
    """Return the dead letters."""
    return {line for path in (folder / "dead_letters" / "m").glob("*.jsonl") for line in path.read_text().splitlines()}


def killed_between(folder: Path, target: Path) -> int:
    """Begin a run in a process of its own, kill it and its Java when some parts are done; return how many."""
    command = [sys.executable, "-m", "leeway", "predict", str(target), *PERIOD, "--source", "events"]
    with (folder / "killed.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    end = time.monotonic() + PATIENCE_SECONDS
    while len(list(target.glob("*.parquet"))) < 3:
        assert process.poll() is None, (folder / "killed.log").read_text()
        assert time.monotonic() < end, (folder / "killed.log").read_text()
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return len(list(target.glob("*.parquet")))


def test_a_killed_run_ends_with_the_files_of_an_undisturbed_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have the bits of `leeway score`; a promotion and a file in between are none of the run's business.

    The undisturbed one is without an engine, which may not matter either, and saves its start.
    """
    source = ("--source", str(folder / "events"))
    with monkeypatch.context() as patched:
        patched.setattr(parts_job, "run", without_engine.run)
        whole = document(folder, "predict", str(folder / "whole"), *PERIOD, *source, code=1)
    expected = letters(folder)
    before = killed_between(folder, folder / "killed")
    with world.open_registry(folder) as registry:
        world.add_version(registry, "v2", world.linear(2))
        world.promote(registry, "v2")
    (folder / "events" / "98.jsonl").write_text('{"id": "late", "time": 1704067200000, "x": 1, "c": "a"}\n')
    again = document(folder, "predict", str(folder / "killed"), *PERIOD, *source, code=1)
    (folder / "events" / "98.jsonl").unlink()
    invoke(folder, "score", str(folder / "clean"), str(folder / "scored.parquet"), "--version", "v1", code=1)
    made = pa.concat_tables(pq.read_table(path) for path in sorted((folder / "whole").glob("*.parquet")))
    scored = pq.read_table(folder / "scored.parquet")

    assert 0 < before < FILES + 3
    assert (FILES + 3, before) == (again["parts"], again["parts_before"])
    assert files(folder / "whole") == files(folder / "killed")
    assert scored.equals(made.drop_columns(DIGEST))
    assert {whole["digest"]} == set(made[DIGEST].to_pylist())
    assert len(set(made["z"].to_pylist())) > 3
    for run in (whole, again):
        assert ("v1", (FILES + 1) * ROWS, FILES, 1) == tuple(
            run[key] for key in ("version", "rows", "rejected", "facts_rejected")
        )
    assert expected == letters(folder)
    assert FILES + 1 == len(expected)


def test_a_topic_is_scored_up_to_where_it_ended(tmp_path: Path, broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's own predictions are the default; what comes to the topic after the beginning is not in the run."""
    monkeypatch.setattr(parts_job, "run", without_engine.run)
    world.project(tmp_path)
    text = world.PROJECT.replace("predictions: {path: predictions}", "predictions: {topic: predict.p}")
    text = text.replace("labels: {path: labels}", "labels: {topic: predict.l}")
    (tmp_path / "leeway.yaml").write_text(f"kafka: {{bootstrap: '{broker}'}}\n{text}")
    for name, seed in (("first", 1), ("second", 2)):
        frame, _ = world.rows(200, seed)
        at = [int(time.time() * 1000) - 1000 * i for i in range(200)]
        events = frame.assign(id=[f"{name}-{i}" for i in range(200)], time=at)
        events.to_json(tmp_path / f"{name}.jsonl", orient="records", lines=True)
    invoke(tmp_path, "score", str(tmp_path / "first.jsonl"), "--to-topic")
    period = ("--from", "2000-01-01", "--to", "2100-01-01")
    made = document(tmp_path, "predict", str(tmp_path / "out"), *period)
    invoke(tmp_path, "score", str(tmp_path / "second.jsonl"), "--to-topic")
    again = document(tmp_path, "predict", str(tmp_path / "out"), *period)
    rows = pq.read_table(tmp_path / "out").sort_by("time")
    invoke(tmp_path, "score", str(tmp_path / "first.jsonl"), str(tmp_path / "scored.parquet"))
    scored = pq.read_table(tmp_path / "scored.parquet").sort_by("time")

    assert (200, 0, 200) == (made["rows"], made["rejected"], again["rows"])
    assert again["parts"] == again["parts_before"] == made["parts"]
    assert scored.equals(rows.drop_columns(DIGEST).replace_schema_metadata(scored.schema.metadata))
