"""What a model's answers hang on, found out by asking: permutation importance on rows that it has not learned from.

A feature matters by as much as the mean loss rises once its values are shuffled among the rows (Breiman 2001, Random
Forests, section 10; Fisher, Rudin and Dominici 2019, JMLR 20:177). It needs nothing of a model but its answers, so one
measure serves scikit-learn, River and whatever else can be asked. Features that stand in for one another get less than
either would alone: the model can do without each of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features import scoring
from features.schema import Task
from features.scoring import Values
from monitors.baseline import importance
from retrain_flows.data.dataset import Dataset

REPEATS = 5
"""How often each feature is shuffled."""
MIN_ROWS, MAX_ROWS = 500, 5000
"""Between how many rows are asked about, if there are so many."""
MAX_ANSWERS, MAX_ANSWERS_ROW_BY_ROW = 500_000, 75_000
"""How many answers may be asked for: from a model that gives them all at once, and from one that gives them row by row.

A count and not a time limit, so that the same rows give the same importance on every machine.
"""
_SEED = 0


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A model with rows that it has not learned from: their features, and what is true of them.

    *sd* is the unit of a regression's errors.
    """

    model: Any
    task: Task
    frame: pd.DataFrame
    target: Values
    sd: float = 1.0

    @classmethod
    def of(cls, model: Any, rows: Dataset, *, sd: float) -> HeldOut:
        """Return *model* with *rows*."""
        return cls(model, rows.task, rows.frame, rows.target, sd)

    def __len__(self) -> int:
        return len(self.frame)

    def at_most(self, rows: int) -> HeldOut:
        """Return the model with so many of its rows, or with all."""
        chosen = sample(len(self), rows)
        return replace(self, frame=self.frame.iloc[chosen].reset_index(drop=True), target=self.target[chosen])


@dataclass(frozen=True, slots=True)
class LossIncreases:
    """By how much a model's mean loss rises if a feature is shuffled; NaN if it would not answer.

    *rows* is for how many rows that stands.
    """

    rows: int
    by_feature: Mapping[str, float]


def measure(held_out: HeldOut, share: float = 1.0) -> LossIncreases:
    """Return what shuffling does to the model, asked *share* of the answers that may be asked for in all.

    The same rows give the same figures.
    """
    from sklearn.dummy import DummyRegressor  # slow
    from sklearn.inspection import permutation_importance  # slow

    subset = held_out.at_most(max(1, round(share * _affordable_rows(held_out))))
    measured = permutation_importance(
        DummyRegressor(),  # scikit-learn wants an estimator of its own; who answers is up to the scoring
        subset.frame,
        subset.target,
        scoring=lambda _, frame, target: -mean_loss(replace(subset, frame=frame, target=target)),
        n_repeats=REPEATS,
        random_state=_SEED,
    )
    return LossIncreases(
        len(held_out), dict(zip(map(str, subset.frame.columns), measured.importances_mean.tolist(), strict=True))
    )


def combine(parts: Sequence[LossIncreases]) -> dict[str, float]:
    """Return how much each feature matters to a version, as shares of 1.

    The parts are of the version's own model, or of models that stood in for it; each counts by its rows. Several are
    better than one: what a feature adds on a single stretch of time is partly that time's luck.

    Empty, which means unknown: there are no parts, no feature matters, or a model would not answer.

    >>> combine([LossIncreases(100, {"x": 0.5, "y": 0.0}), LossIncreases(300, {"x": 0.1, "y": 0.4})])
    {'x': 0.4, 'y': 0.6}
    """
    total = sum(part.rows for part in parts)
    names = parts[0].by_feature if total else {}
    mean = {name: math.fsum(part.rows / total * part.by_feature[name] for part in parts) for name in names}
    return importance.normalise(mean) if all(map(math.isfinite, mean.values())) else {}


def mean_loss(held_out: HeldOut) -> float:
    """Return the mean loss of the model's answers to the rows; NaN if it gives none or will not be asked."""
    try:
        answers = scoring.score(
            held_out.model, held_out.frame.copy(), held_out.task
        )  # it may write into what it is given
    except Exception:  # a model may insist on combinations that shuffled rows do not keep: its right, and no failure
        return float("nan")
    known = scoring.is_answered(answers)
    losses = scoring.losses(held_out.task, answers[known], held_out.target[known], sd=held_out.sd)
    return float(losses.mean()) if len(losses) else float("nan")


def target_sd(target: Values) -> float:
    """Return the unit of a regression's errors: the target's sd, 1 where that is 0 or there are no numbers.

    >>> target_sd(np.array([1.0, 3.0])), target_sd(np.array([2.0, 2.0])), target_sd(np.array(["a", "b"], dtype=object))
    (1.0, 1.0, 1.0)
    """
    return 1.0 if target.dtype == object else float(np.std(target.astype(np.float64))) or 1.0


def sample(rows: int, most: int) -> npt.NDArray[np.int64]:
    """Return which of so many rows to use, in order: all of them, or *most* picked evenly at random by a fixed seed.

    >>> sample(3, 5).tolist(), len(sample(10_000, 5))
    ([0, 1, 2], 5)
    """
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(_SEED).choice(rows, most, replace=False))


def _affordable_rows(held_out: HeldOut) -> int:
    answers = MAX_ANSWERS_ROW_BY_ROW if hasattr(held_out.model, "predict_one") else MAX_ANSWERS
    return int(np.clip(answers // (REPEATS * held_out.frame.shape[1]), MIN_ROWS, MAX_ROWS))
