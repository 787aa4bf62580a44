"""Adopting a model: a baseline from its own log, with surrogate importance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.errors import NotEnoughData
from leeway import adopt_model, assembly, context
from leeway.context import Context
from monitors.baseline.baseline import Baseline
from registry import queries
from tests.support import trained_model as world

PROJECT = """\
project: ours
models:
  m:
    task: binary
    events: {predictions: {path: predictions}, labels: {path: labels}}
    features: {x: numeric, c: categorical}
"""


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    """Yield a project whose v1 answers by x for ten days, and v2 by c from then on; Flink is not the subject here."""

    def counted(*given: Any, logs: Path, **named: Any) -> Baseline:
        return world.stub_baseline(*given, **named)

    monkeypatch.setattr(assembly.baseline_job, "run", counted)
    rng, made = np.random.default_rng(2), []
    for i in range(2000):
        x, c, version = float(rng.normal()), "ab"[int(rng.integers(2))], "v1" if i < 1000 else "v2"
        answer = 1 / (1 + np.exp(-x)) if version == "v1" else 0.2 + 0.6 * (c == "a")
        time = (world.START + i * world.DAY / 100).isoformat()
        made.append({"id": f"{i}", "time": time, "model_version": version, "prediction": answer, "x": x, "c": c})
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "0.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    (tmp_path / "labels").mkdir()
    labels = [{"id": row["id"], "time": row["time"], "label": i % 2} for i, row in enumerate(made)]
    (tmp_path / "labels" / "0.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labels))
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    with context.open(tmp_path) as found:
        yield found


def register(opened: Context, version: str | None = None, days: int = 10) -> Baseline:
    """Register the baseline of the first *days* days."""
    period = (world.START, world.START + days * world.DAY)
    return adopt_model.register_baseline(opened, opened.model(), version, period, now=world.NOW)


def test_the_only_version_of_the_period_becomes_champion_with_its_baseline(opened: Context) -> None:
    """Stored as it was made, and published."""
    made, champion = register(opened), queries.champion(opened.registry, "m")
    assert champion is not None
    assert ("v1", "v1") == (champion.version, made.version)
    assert made == queries.baseline_of(opened.registry, "m", "v1")
    assert (opened.dir / "baselines" / "m" / "v1.json").is_file()


@pytest.mark.parametrize(("version", "matters"), [("v1", "x"), ("v2", "c")])
def test_what_mattered_to_a_version_is_told_from_its_own_answers(opened: Context, version: str, matters: str) -> None:
    """Those of another version in the period say nothing of it."""
    assert register(opened, version, days=20).importance[matters] > 0.99


def test_a_log_that_is_too_short_leaves_it_unknown(opened: Context) -> None:
    """A baseline can be had all the same."""
    assert {} == register(opened, days=1).importance


def test_one_of_several_versions_must_be_named(opened: Context) -> None:
    """Nothing is guessed."""
    with pytest.raises(NotEnoughData, match="2 versions of m made predictions in the period: v1, v2"):
        register(opened, days=20)


def test_a_version_outside_of_the_period_is_told_with_the_command_that_works(opened: Context) -> None:
    """Its own days, since the period of the project file has none of its predictions."""
    with pytest.raises(NotEnoughData, match=r"m v2 made no prediction in the period, but from \d{4}-") as caught:
        register(opened, "v2")
    options = caught.value.hint.strip("`").split()
    assert ["leeway", "baseline", "--model", "m", "--version", "v2", "--start"] == options[:7]
    period = tuple(datetime.fromisoformat(f"{options[at]}T00:00:00+00:00") for at in (7, 9))
    adopt_model.register_baseline(opened, opened.model(), "v2", (period[0], period[1]), now=world.NOW)


def test_a_version_that_took_the_champions_place_in_the_log_is_champion(opened: Context) -> None:
    """From its first prediction on: who only logs deploys without a promotion."""
    register(opened)
    register(opened, "v2", days=20)
    champion = queries.champion(opened.registry, "m")
    assert champion is not None
    assert ("v2", world.START + 10 * world.DAY) == (champion.version, champion.since)


def test_an_earlier_version_of_the_log_does_not_become_champion(opened: Context) -> None:
    """The champion answered after it; nor does one become champion while the champion still answers."""
    register(opened, "v2", days=20)
    register(opened, "v1")
    champion = queries.champion(opened.registry, "m")
    assert champion is not None
    assert "v2" == champion.version


def test_a_version_beside_the_champion_does_not_become_champion(opened: Context) -> None:
    """A canary answers while the champion does: its owner says when it is champion."""
    path = opened.project.folder / "predictions" / "0.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows[1000::10]:
        row["model_version"] = "v1"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    register(opened)
    register(opened, "v2", days=20)
    champion = queries.champion(opened.registry, "m")
    assert champion is not None
    assert "v1" == champion.version
