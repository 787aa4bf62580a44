"""`leeway serve` with a feature of facts: from files to answers, to the log, and to `leeway features diff`."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from features.window import UTC
from tests.support import serving_world as world
from tests.support.command_line import document, invoke

pytestmark = pytest.mark.slow

FACTS = "facts: {f: {path: facts, id: n, tile: 1s, delay: 1s}}\nmodels:\n"
Z = "z: {type: numeric, from: f, key: c, mean: delay, window: 30m, empty: -1}"


def write(folder: Path, name: str, *facts: dict[str, object]) -> None:
    """Write a file of facts, which appears whole."""
    text = "".join(f"{json.dumps(fact)}\n" for fact in facts)
    (folder / "facts" / f".{name}").write_text(text)
    (folder / "facts" / f".{name}").rename(folder / "facts" / name)


def test_facts_reach_answers_and_the_log(tmp_path: Path) -> None:
    """What was there at the start, what comes while it answers, and after a restart; offline as online.

    The log differs from the facts in the rows that were answered before a fact came that was known earlier.
    """
    world.project(tmp_path)
    text = world.PROJECT.replace("models:\n", FACTS).replace("z: numeric", Z)
    (tmp_path / "leeway.yaml").write_text(text)
    (tmp_path / "facts").mkdir()
    begin = datetime.now(UTC)
    ago = (begin - timedelta(minutes=5)).isoformat()
    write(tmp_path, "1.jsonl", {"n": 1, "time": ago, "c": "a", "delay": 4})
    row = {"x": 0.5, "c": "a"}
    with world.serving(tmp_path) as server:
        first = server.predict(row, {"x": 0.5, "c": "b"}, {**row, "z": 4.0}, {**row, "z": -1.0, "c": "b"})
        write(
            tmp_path, "2.jsonl", {"n": 2, "time": ago, "c": "a", "delay": 8}, {"n": 3, "time": "2099-01-01", "c": "a"}
        )
        world.wait_for(server, lambda: server.ask("/health")[1]["m"]["facts"]["set_aside"] == 1, "it reads new facts")
        second = server.predict(row, {**row, "z": 6.0})
        metrics = server.ask("/metrics")[1]
        assert 0 == server.stop()
    with world.serving(tmp_path) as server:
        third = server.predict(row)
        assert 0 == server.stop()
    answers = [[p["prediction"] for p in body["predictions"]] for _, body in (first, second, third)]

    assert answers[0][:2] == answers[0][2:]
    assert answers[1][0] == answers[1][1] == answers[2][0] != answers[0][0]
    assert 'leeway_serve_fact_values_total{feature="z",model="m",origin="empty"} 1.0' in metrics
    (letter,) = (tmp_path / "dead_letters" / "m" / "facts.jsonl").read_text().splitlines()
    assert ("facts", 2) == (json.loads(letter)["role"], json.loads(letter)["line"])
    period = ("--from", f"{begin:%Y-%m-%d}", "--to", f"{begin + timedelta(days=2):%Y-%m-%d}")
    made = document(tmp_path, "features", "diff", *period, "-m", "m", code=1)
    request = {**row, "id": "r", "time": datetime.now(UTC).isoformat()}
    (tmp_path / "requests.jsonl").write_text(f"{json.dumps(request)}\n")
    invoke(tmp_path, "score", str(tmp_path / "requests.jsonl"), str(tmp_path / "out.jsonl"), code=1)  # that of 2099
    offline = json.loads((tmp_path / "out.jsonl").read_text())

    assert (6.0, answers[2][0]) == (offline["z"], offline["prediction"])
    assert (7, 2) == (made["sampled"], made["features"]["z"]["different"])
    assert [[4.0, 6.0]] * 2 == [[one["logged"], one["recomputed"]] for one in made["features"]["z"]["first"]]
