"""Concept drift streams of River's generators, as pools of scored rows.

Rows are drawn from each concept once and scored by a model that was fitted on rows of the first, none of them in its
pool; streams are then independent draws from the pools, since River makes a row in some microseconds to a hundred.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from river.datasets import synth
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.changes import CELLS, LOSS_CELLS, Floats, Ints, Pools
from features import scoring
from features.schema import Task
from monitors.profiles import outcome_counts

POOL = 20_000
Generated = tuple[Floats, npt.NDArray[Any]]


def _take(stream: Any, n: int = POOL) -> Generated:
    rows = list(itertools.islice(iter(stream), n))
    return np.array([list(x.values()) for x, _ in rows], np.float64), np.array([y for _, y in rows])


def _several(make: Callable[[Any], Any], *concepts: Any) -> list[Generated]:
    """Return one pool to fit the model on, and one for each of *concepts*."""
    return [_take(make(concepts[0])), *(_take(make(c)) for c in concepts)]


def _turning(seed: int) -> list[Generated]:
    """Return hyperplanes that turn by steps; a still one has the same weights to begin with."""
    options = {"seed": seed, "n_features": 10, "n_drift_features": 5, "noise_percentage": 0.05}
    x, y = _take(synth.Hyperplane(**options, mag_change=0.0), 2 * POOL)
    turning = _take(synth.Hyperplane(**options, mag_change=5e-6, sigma=0.0), 10 * POOL)
    steps = [(turning[0][i::1][:POOL], turning[1][i:][:POOL]) for i in range(POOL, 10 * POOL, POOL)]
    return [(x[:POOL], y[:POOL]), (x[POOL:], y[POOL:]), *steps]


def _friedman(kind: str, index: int) -> Generated:
    edges = {"lea": (POOL, 2 * POOL, 3 * POOL), "gra": (POOL, 9 * POOL)}[kind]
    x, y = _take(synth.FriedmanDrift(drift_type=kind, position=edges, seed=5), (index + 1) * POOL)
    return x[-POOL:], y[-POOL:]


def _friedmans(kind: str, concepts: int) -> list[Generated]:
    return [_take(synth.Friedman(seed=4)), *(_friedman(kind, i) for i in range(concepts))]


_LINEAR = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
_TREES = HistGradientBoostingClassifier(random_state=0)


@dataclass(frozen=True)
class Recipe:
    """How a world is made: *pools* gives the rows to fit *model* on and those of each concept."""

    pools: Callable[[], list[Generated]]
    task: Task
    model: BaseEstimator
    few: tuple[int, ...] = ()
    flipped: float = 0.0
    """Share of the labels that are turned over, where a concept has no noise of its own."""


RECIPES: Mapping[str, Recipe] = {
    "SEA": Recipe(
        lambda: _several(lambda v: synth.SEA(variant=v, noise=0.1, seed=1 + v), 0, 3), Task.BINARY, _LINEAR
    ),
    "Agrawal": Recipe(
        lambda: _several(lambda f: synth.Agrawal(classification_function=f, perturbation=0.05, seed=2 + f), 0, 2),
        Task.BINARY, _TREES, few=(3, 4, 5),
    ),
    "Hyperplane": Recipe(lambda: _turning(3), Task.BINARY, _LINEAR),
    "LED": Recipe(
        lambda: _several(lambda n: synth.LEDDrift(4, 0.1, irrelevant_features=True, n_drift_features=n), 0, 1),
        Task.MULTICLASS, _LINEAR, few=tuple(range(24)),
    ),
    "STAGGER": Recipe(
        lambda: _several(lambda f: synth.STAGGER(classification_function=f, seed=5 + f), 0, 1),
        Task.BINARY, _TREES, few=(0, 1, 2), flipped=0.05,
    ),
    "Friedman": Recipe(lambda: _friedmans("gra", 2), Task.REGRESSION, HistGradientBoostingRegressor(random_state=0)),
    "Friedman, growing regions": Recipe(
        lambda: _friedmans("lea", 4), Task.REGRESSION, HistGradientBoostingRegressor(random_state=0)
    ),
}  # fmt: skip


def _flipped(pool: Generated, share: float, seed: int) -> Generated:
    turned = np.random.default_rng(seed).random(len(pool[1])) < share
    return pool[0], np.where(turned, 1 - pool[1], pool[1]) if share else pool[1]


@cache
def pools(name: str) -> Pools:
    """Return the scored pools of a recipe; seeded."""
    recipe = RECIPES[name]
    first, *concepts = (_flipped(pool, recipe.flipped, seed) for seed, pool in enumerate(recipe.pools()))
    model = recipe.model.fit(*first)
    x = np.stack([x for x, _ in concepts])
    few = np.isin(np.arange(x.shape[-1]), recipe.few)
    values, cells = _cells(x, few)
    sd = float(np.std(first[1])) if recipe.task is Task.REGRESSION else 1.0
    scored = [_outcomes(recipe.task, model, x, y, sd) for x, y in concepts]
    loss = np.stack([s[..., 0] for s, _, _ in scored])
    borders = np.quantile(loss[0], np.arange(1, LOSS_CELLS) / LOSS_CELLS)
    outcome = np.searchsorted(borders, loss) + LOSS_CELLS * np.stack([one for _, _, one in scored])
    return Pools(values, few, cells, np.stack([e for _, e, _ in scored]), outcome, np.stack([s for s, _, _ in scored]))


def _cells(x: Floats, few: npt.NDArray[np.bool_]) -> tuple[Floats, Ints]:
    """Return what cells stand for, (features, cells), and each value's cell, on a grid over the first concept."""
    values, cells = np.full((x.shape[-1], CELLS), np.inf), np.empty(x.shape, np.int64)
    for i, is_few in enumerate(few):
        if is_few:
            distinct, n = np.unique(x[0, :, i], return_counts=True)
            order = distinct[np.argsort(-n, kind="stable")]
            values[i, : len(order)] = order
            cells[..., i] = np.argmax(x[..., i, None] == order, axis=-1)
        else:
            low, high = x[0, :, i].min(), x[0, :, i].max()
            values[i] = low + (np.arange(CELLS) + 0.5) * (high - low) / CELLS
            cells[..., i] = np.clip((x[..., i] - low) / (high - low) * CELLS, 0, CELLS - 1)
    return values, cells


def _outcomes(task: Task, model: Any, x: Floats, y: npt.NDArray[Any], sd: float) -> tuple[Floats, Floats, Ints]:
    """Return the series that means are taken of, the error, and whether the label is 1."""
    if task is Task.REGRESSION:
        loss = scoring.losses(task, model.predict(x), y, sd=sd)
        return loss[:, None], loss, np.zeros(len(y), np.int64)
    if task is Task.MULTICLASS:
        loss = scoring.losses(task, model.predict(x), y)
        return loss[:, None], loss, np.zeros(len(y), np.int64)
    score = model.predict_proba(x)[:, 1]
    loss = scoring.losses(task, score, y)
    residual = y - (outcome_counts.score_bin(score) + 0.5) / outcome_counts.SCORE_BINS
    return np.stack([loss, residual], axis=-1), ((score > 0.5) != y).astype(np.float64), y.astype(np.int64)
