"""`leeway nearline` on real Flink: files as they appear, promotions, a version that cannot be loaded, a kill."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.window import UTC, to_ms
from serving.prediction_log.event_table import DIGEST
from tests.support import serving_world as world
from tests.support.command_line import invoke
from tests.support.running_command import Running

pytestmark = pytest.mark.slow

FACTS = "facts: {f: {path: facts, id: n, tile: 1s, delay: 1s}}\nmodels:\n"
Z = "z: {type: numeric, from: f, key: c, mean: delay, window: 30m, empty: -1}"


def appear(folder: Path, name: str, text: str) -> None:
    """Let a file appear whole."""
    (folder / f".{name}").write_text(text)
    (folder / f".{name}").rename(folder / name)


def made(folder: Path) -> pd.DataFrame:
    """Return all predictions, by id."""
    parts = [pq.read_table(path).to_pandas() for path in sorted((folder / "out").glob("*.parquet"))]
    return pd.concat(parts, ignore_index=True).set_index("id").sort_index() if parts else pd.DataFrame()


def events(name: str, at: datetime) -> str:
    """Return ten events as JSON Lines, without the feature of facts."""
    frame = world.rows(10, len(name))[0].drop(columns="z")
    return frame.assign(id=[f"{name}-{i}" for i in range(10)], time=to_ms(at)).to_json(orient="records", lines=True)


def test_a_stream_of_files_follows_the_champion(tmp_path: Path) -> None:
    """Each file is answered once, as `leeway score` answers it by that version; a broken champion changes nothing."""
    world.project(tmp_path)
    (tmp_path / "leeway.yaml").write_text(world.PROJECT.replace("models:\n", FACTS).replace("z: numeric", Z))
    for name in ("facts", "in", "clean"):
        (tmp_path / name).mkdir()
    now = datetime.now(UTC)
    fact = {"n": 1, "time": (now - timedelta(minutes=5)).isoformat(), "c": "a", "delay": 4}
    appear(tmp_path / "facts", "1.jsonl", json.dumps(fact) + "\n")
    for name in ("a", "bb", "ccc", "dddd"):
        (tmp_path / "clean" / f"{name}.jsonl").write_text(events(name, now))

    def come(name: str, more: str = "") -> None:
        appear(tmp_path / "in", f"{name}.jsonl", events(name, now) + more)

    first = Running(tmp_path, "nearline", "in", "out")
    try:
        come("a", "oops\n")
        first.wait(lambda: len(made(tmp_path)) == 10)
        with world.open_registry(tmp_path) as registry:
            world.add_version(registry, "v2", world.linear(2))
            world.promote(registry, "v2")
        first.wait(lambda: '"v2"' in (tmp_path / "nearline" / "m" / "champion.json").read_text())
        come("bb")
        first.wait(lambda: len(made(tmp_path)) == 20)
        with world.open_registry(tmp_path) as registry:
            world.add_version(registry, "v3", None, data=b"no model")
            world.promote(registry, "v3")
        first.wait(lambda: "m v3 cannot be loaded" in first.log())
        come("ccc")
        first.wait(lambda: len(made(tmp_path)) == 30)
    finally:
        first.kill()
    with world.open_registry(tmp_path) as registry:
        world.promote(registry, "v2")
    second = Running(tmp_path, "nearline", "in", "out")
    try:
        come("dddd")
        second.wait(lambda: len(made(tmp_path)) == 40)
        code = second.stop()
    finally:
        second.kill()
    rows = made(tmp_path)
    versions = {name: set(of["model_version"]) for name, of in rows.groupby(rows.index.str.split("-").str[0])}

    assert 0 == code
    assert {"a": {"v1"}, "bb": {"v2"}, "ccc": {"v2"}, "dddd": {"v2"}} == versions
    assert 2 == rows[DIGEST].nunique()
    assert {4.0, -1.0} == set(rows["z"])
    for version in ("v1", "v2"):
        invoke(tmp_path, "score", str(tmp_path / "clean"), str(tmp_path / f"{version}.parquet"), "--version", version)
        scored = pd.read_parquet(tmp_path / f"{version}.parquet").set_index("id").sort_index()
        mine = rows[rows["model_version"] == version].drop(columns=DIGEST)
        pd.testing.assert_frame_equal(scored.loc[mine.index], mine, check_exact=True)
    letters = (tmp_path / "dead_letters" / "m" / "requests.jsonl").read_text().splitlines()
    assert [11] == [json.loads(line)["line"] for line in letters]
