"""Permutation importance: by how much the mean loss rises when a feature's values are shuffled among held-out rows.

It needs a model's predictions only, so that one measure serves scikit-learn, River and others. Features that can
replace each other get less importance than either would have alone, since the model can do without each of them.

References
----------
Breiman (2001), "Random forests", Machine Learning 45(1), section 10.
Fisher, Rudin and Dominici (2019), "All models are wrong, but many are useful", JMLR 20(177).
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
"""How often each feature is shuffled, over all models that share the budget (scikit-learn's default)."""
MIN_ROWS = 500
"""Least number of rows that are predicted, if there are as many, however many features there are."""
MAX_ROWS = 5000
"""Largest number of rows that are predicted, however few features there are."""
MAX_ANSWERS = 500_000
"""Budget of predictions, for models that predict whole tables. A count and not a time limit, so that the same rows give
the same importance on every machine."""
MAX_ANSWERS_ROW_BY_ROW = 75_000
"""The same for models that predict row by row (River), which take longer for each prediction."""
_SEED = 0
"""Seed of shuffles and samples."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A model with rows that it has not learned from.

    Parameters
    ----------
    model
        The model.
    task
        Its task, which selects the loss.
    frame
        The features, (rows, features).
    target
        The labels, (rows,).
    sd
        Standard deviation of the label: the unit of a regression's losses.
    """

    model: Any
    task: Task
    frame: pd.DataFrame
    target: Values
    sd: float = 1.0

    @classmethod
    def of(cls, model: Any, rows: Dataset, *, sd: float) -> HeldOut:
        """Return a model with the features and labels of a dataset."""
        return cls(model, rows.task, rows.frame, rows.target, sd)

    def __len__(self) -> int:
        return len(self.frame)

    def at_most(self, rows: int) -> HeldOut:
        """Return the model with a sample of its rows, or with all if there are no more."""
        chosen = sample(len(self), rows)
        return replace(self, frame=self.frame.iloc[chosen].reset_index(drop=True), target=self.target[chosen])


@dataclass(frozen=True, slots=True)
class LossIncreases:
    """The permutation importance of each feature to one model.

    Parameters
    ----------
    rows
        Number of held-out rows that the figures stand for: their weight when several are combined.
    by_feature
        Rise of the mean loss by feature name; NaN where the model did not predict shuffled rows.
    """

    rows: int
    by_feature: Mapping[str, float]


def measure(held_out: HeldOut, share: float = 1.0) -> LossIncreases:
    """Measure the loss increases of one model; the same rows give the same figures.

    Parameters
    ----------
    held_out
        The model, with rows that it has not learned from.
    share
        Part of the budget of predictions and of repeats to use, 0 to 1, where several models share it.
    """
    from sklearn.dummy import DummyRegressor  # slow
    from sklearn.inspection import permutation_importance  # slow

    repeats = max(1, round(share * REPEATS))
    subset = held_out.at_most(max(1, round(share * _affordable_rows(held_out) * REPEATS / repeats)))
    measured = permutation_importance(
        DummyRegressor(),  # scikit-learn checks that it is an estimator; the scoring predicts with the model
        subset.frame,
        subset.target,
        scoring=lambda _, frame, target: -mean_loss(replace(subset, frame=frame, target=target)),
        n_repeats=repeats,
        random_state=_SEED,
    )
    return LossIncreases(
        len(held_out), dict(zip(map(str, subset.frame.columns), measured.importances_mean.tolist(), strict=True))
    )


def combine(parts: Sequence[LossIncreases]) -> dict[str, float]:
    """Return the importance of each feature to a version, as shares that sum to 1: the mean of *parts*, by their rows.

    The parts are of the version's own model or of its cross-validation models. Several are better than one, since the
    importance on a single stretch of time varies.

    Returns
    -------
    dict
        Empty, which means unknown, if there are no parts, no feature matters, or a model did not predict.

    Examples
    --------
    >>> combine([LossIncreases(100, {"x": 0.5, "y": 0.0}), LossIncreases(300, {"x": 0.1, "y": 0.4})])
    {'x': 0.4, 'y': 0.6}
    """
    total = sum(part.rows for part in parts)
    names = parts[0].by_feature if total else {}
    mean = {name: math.fsum(part.rows / total * part.by_feature[name] for part in parts) for name in names}
    return importance.normalise(mean) if all(map(math.isfinite, mean.values())) else {}


def mean_loss(held_out: HeldOut) -> float:
    """Return the mean loss of the model on the rows; NaN if it raises or has no prediction for any of them."""
    try:
        answers = scoring.score(
            held_out.model, held_out.frame.copy(), held_out.task
        )  # a model may write into its input
    except Exception:  # a model may refuse combinations of values that only shuffling makes
        return float("nan")
    known = scoring.is_answered(answers)
    losses = scoring.losses(held_out.task, answers[known], held_out.target[known], sd=held_out.sd)
    return float(losses.mean()) if len(losses) else float("nan")


def target_sd(target: Values) -> float:
    """Return the standard deviation of the target, the unit of a regression's losses; 1 if it is 0, or for classes.

    >>> target_sd(np.array([1.0, 3.0])), target_sd(np.array([2.0, 2.0])), target_sd(np.array(["a", "b"], dtype=object))
    (1.0, 1.0, 1.0)
    """
    return 1.0 if target.dtype == object else float(np.std(target.astype(np.float64))) or 1.0


def sample(rows: int, most: int) -> npt.NDArray[np.int64]:
    """Return the indices of a uniform sample of at most *most* of *rows* rows, ascending; the seed is fixed.

    >>> sample(3, 5).tolist(), len(sample(10_000, 5))
    ([0, 1, 2], 5)
    """
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(_SEED).choice(rows, most, replace=False))


def _affordable_rows(held_out: HeldOut) -> int:
    """Return how many rows the budget of predictions allows for, as each is predicted once a feature and repeat."""
    answers = MAX_ANSWERS_ROW_BY_ROW if hasattr(held_out.model, "predict_one") else MAX_ANSWERS
    return int(np.clip(answers // (REPEATS * held_out.frame.shape[1]), MIN_ROWS, MAX_ROWS))
