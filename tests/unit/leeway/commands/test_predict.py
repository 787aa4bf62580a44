"""`leeway predict`: what it prints, how it goes on, and what it refuses; on Flink in `tests/integration`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from features import errors
from monitors.flink import parts_job
from tests.support import serving_world as world
from tests.support import without_engine
from tests.support.command_line import document, invoke, printed

PERIOD = ("--from", "2024-01-01", "--to", "2024-01-02")
GOOD = [{"id": f"r{i}", "time": f"2024-01-01T0{i}:00Z", "x": i / 7, "z": 1.5, "c": "a"} for i in range(3)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with a champion and a file of three events; jobs are run without an engine."""
    monkeypatch.setattr(parts_job, "run", without_engine.run)
    world.project(tmp_path)
    write(tmp_path, "a", *GOOD)
    return tmp_path


def write(folder: Path, name: str, *rows: Any) -> None:
    """Write a file of events where the model's own are."""
    text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    (folder / "predictions" / f"{name}.jsonl").write_text(text)


def test_the_model_s_own_predictions_are_scored_by_default(folder: Path) -> None:
    """The document says what was scored by what; on the screen it is a sentence."""
    made = document(folder, "predict", str(folder / "out"), *PERIOD)
    digest, seconds = made.pop("digest"), made.pop("seconds")
    expected = {"ok": True, "model": "m", "version": "v1", "rows": 3, "rejected": 0, "facts_rejected": 0, "parts": 1,
                "parts_before": 0, "to": str(folder / "out")}  # fmt: skip

    assert expected == made
    assert 64 == len(digest)
    assert seconds > 0
    assert "3 events scored by m v1" in printed(folder, "predict", str(folder / "out"), *PERIOD)


def test_a_run_goes_on_by_its_version_and_begins_anew_by_force(folder: Path) -> None:
    """Parts that are done are not done again, and a new champion answers in a new run only."""
    target = str(folder / "out")
    document(folder, "predict", target, *PERIOD)
    with world.open_registry(folder) as registry:
        world.add_version(registry, "v2", world.linear(2))
        world.promote(registry, "v2")
    write(folder, "b", {**GOOD[0], "id": "later"})
    again = document(folder, "predict", target, *PERIOD)
    anew = document(folder, "predict", target, *PERIOD, "--force")

    assert ("v1", 3, 1, 1) == tuple(again[key] for key in ("version", "rows", "parts", "parts_before"))
    assert ("v2", 4, 2, 0) == tuple(anew[key] for key in ("version", "rows", "parts", "parts_before"))
    with pytest.raises(errors.DataError, match="has a run of version v2, and this is one of v1"):
        invoke(folder, "predict", target, *PERIOD, "--version", "v1")
    with pytest.raises(errors.DataError, match="has a run of end 2024-01-02T"):
        invoke(folder, "predict", target, "--from", "2024-01-01", "--to", "2024-01-03")


def test_records_that_cannot_be_used_are_dead_letters_once(folder: Path) -> None:
    """Exit code 1; the same command again adds none."""
    write(folder, "bad", "oops", {**GOOD[0], "x": None})
    first = document(folder, "predict", str(folder / "out"), *PERIOD, code=1)
    text = printed(folder, "predict", str(folder / "out"), *PERIOD, code=1)
    letters = (folder / "dead_letters" / "m" / "requests.jsonl").read_text().splitlines()

    assert (False, 3, 2) == tuple(first[key] for key in ("ok", "rows", "rejected"))
    assert [1, 2] == [json.loads(line)["line"] for line in letters]
    assert "2 records could not be used, the first at" in text


def test_facts_that_are_not_there_are_missed_before_the_engine_starts(folder: Path) -> None:
    """The message names the directory, and has no worker's traceback around it."""
    z = "z: {type: numeric, from: f, key: c, mean: delay, window: 30m, empty: -1}"
    text = world.PROJECT.replace("models:\n", "facts: {f: {path: facts}}\nmodels:\n").replace("z: numeric", z)
    (folder / "leeway.yaml").write_text(text)
    with pytest.raises(errors.DataError, match="facts is not there"):
        invoke(folder, "predict", str(folder / "out"), *PERIOD)


def test_an_empty_period_is_an_error_of_the_option(folder: Path) -> None:
    """Nothing is made."""
    invoke(folder, "predict", str(folder / "out"), "--from", "2024-01-02", "--to", "2024-01-02", code=2)
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--to-topic",), "do not go into the same topic"),
        (("--source", "predictions", "--requests"), "name one source of events"),
    ],
)
def test_sources_and_topics_that_do_not_fit_are_errors_of_the_options(
    folder: Path, options: tuple[str, ...], why: str
) -> None:
    """Before Kafka is asked for anything; the answers to a topic in itself would be events to answer again."""
    text = world.PROJECT.replace("predictions: {path: predictions}", "predictions: {topic: p}")
    (folder / "leeway.yaml").write_text(text.replace("labels: {path: labels}", "labels: {topic: l}"))
    assert why in invoke(folder, "predict", str(folder / "out"), *PERIOD, *options, code=2).output
    assert not (folder / "out").exists()


def test_what_a_topic_needs_is_named(folder: Path) -> None:
    """The key of the project file to set."""
    with pytest.raises(errors.ProjectError, match=r"events\.predictions of m is not a topic"):
        invoke(folder, "predict", str(folder / "out"), *PERIOD, "--source", "predictions", "--to-topic")
    with pytest.raises(errors.ProjectError, match="m has no topic of requests"):
        invoke(folder, "predict", str(folder / "out"), *PERIOD, "--requests")
