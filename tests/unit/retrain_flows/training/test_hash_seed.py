"""Learners with a fixed hash seed: the same samples give the same model in processes of different seeds."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from river import compose, linear_model, preprocessing

from features.errors import TrainerError
from features.window import to_ms
from monitors.worker import folds
from retrain_flows.training import learner_branch
from retrain_flows.training.hash_seed import FixedSeedLearner
from retrain_flows.training.learner_branch import BranchPlan
from tests.support import sample_stream
from tests.support import trained_model as world

pytestmark = pytest.mark.slow
PLAN = BranchPlan(f"{__name__}:selecting", 0, to_ms(world.DAY))
TRUSTED = (
    "collections.Counter", "river.compose.pipeline.Pipeline", "river.compose.select.Select",
    "river.compose.select.SelectType", "river.linear_model.log_reg.LogisticRegression",
    "river.optim.initializers.Zeros", "river.optim.losses.Log", "river.optim.schedulers.Constant",
    "river.optim.sgd.SGD", "river.preprocessing.scale.StandardScaler", "river.utils.vectordict.VectorDict",
)  # fmt: skip
SEEDS = ("1", "2")
"""Hash seeds under which {"x", "c"} has both orders."""


def selecting() -> Any:
    """Return a River model that keeps a set of names."""
    numbers = compose.Select("x", "c") | compose.SelectType(float) | preprocessing.StandardScaler()
    return numbers | linear_model.LogisticRegression()


def ends() -> Any:
    """End the process in place of returning a model."""
    raise SystemExit(3)


def learn(learner: FixedSeedLearner, references: Sequence[str]) -> list[str]:
    """Return the order of a set here, once the learner has learned from all parts."""
    folds.in_order(learner.open(), references)
    return list({"x", "c"})


def test_processes_of_any_hash_seed_learn_the_same_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots and predictions, byte for byte; the sets of those processes do differ."""
    orders, chains = [], []
    with world.open_registry(tmp_path) as registry:
        ws = world.workspace(tmp_path, registry, world.write_events(tmp_path))
        made = sample_stream.of_workspace(ws, world.START, world.START + 30 * world.DAY, tmp_path)
        for seed in SEEDS:
            branch = learner_branch.begin(ws.state, ws.model, PLAN)
            learner = FixedSeedLearner(sample_stream.learner(ws, made, branch, TRUSTED))
            monkeypatch.setenv("PYTHONHASHSEED", seed)
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                orders.append(pool.submit(learn, learner, sample_stream.references(made)).result())
            chains.append([snapshot.digest for snapshot in branch.snapshots()])

    assert 2 == len(set(map(tuple, orders)))
    assert 1 == len(set(map(tuple, chains)))
    assert 20 < len(chains[0])


def test_the_child_ends_with_the_learner_and_its_end_is_told(tmp_path: Path) -> None:
    """An error of the trainer comes back as it is; a trainer that ends its process is named."""
    with world.open_registry(tmp_path) as registry:
        ws = world.workspace(tmp_path, registry, world.write_events(tmp_path))
        made = sample_stream.of_workspace(ws, world.START, world.START + 5 * world.DAY, tmp_path)
        plans = {"is here": PLAN, "missing": replace(PLAN, trainer=f"{__name__}:nothing"),
                 "ended": replace(PLAN, trainer=f"{__name__}:ends")}  # fmt: skip
        learners = {name: FixedSeedLearner(sample_stream.learner(ws, made, learner_branch.begin(ws.state, ws.model, p)))
                    for name, p in plans.items()}  # fmt: skip
        step = learners["is here"].open()
        with pytest.raises(TrainerError, match="has no function nothing"):
            learners["missing"].open()
        with pytest.raises(TrainerError, match="the process of the learner ended"):
            folds.in_order(learners["ended"].open(), sample_stream.references(made)[:3])
    del step

    assert [] == [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
