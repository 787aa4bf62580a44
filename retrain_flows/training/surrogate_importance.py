"""What matters to a model that Leeway does not have: what its logged predictions can be told from.

A small model of the model is fitted on the earlier part of its log, and asked about the later part. What matters to the
surrogate matters to the original as far as it explains it; where it explains nothing, nothing is claimed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from features import scoring
from features.events.decode import ID, TIME
from features.schema import PREDICTION, EventSchema, FeatureKind, Task
from features.scoring import Values
from retrain_flows.training import permutation_importance
from retrain_flows.training.permutation_importance import HeldOut

MIN_ROWS = 200
"""Rows below which nothing is said."""
MIN_EXPLAINED = 0.05
"""Share of the predictions' variance (of their errors, for classes) that must be explained out of sample."""
MAX_FITTED_ROWS, MAX_CLASSES = 20_000, 10
"""At most so many rows are fitted, and so many classes told apart; rarer ones are one class."""
_BINS = 255
_RARE = "\0rare"


def measure(schema: EventSchema, made: pa.Table) -> dict[str, float]:
    """Return how much each feature matters to the version that made the predictions of *made*, as shares of 1.

    *made* is decoded as :mod:`features.events.decode` does it, one version's. In the order of time the surrogate is
    fitted on the first two thirds, and the importance is that to its squared error (0-1 loss, for classes) on the last
    third. Empty, which means unknown, with fewer than 200 usable rows or where the surrogate explains nothing.
    """
    made = made.sort_by([(TIME, "ascending"), (ID, "ascending")])
    made = made.filter(pa.array(scoring.is_answered(made[PREDICTION].to_pandas().to_numpy())))
    held_out = _fit_surrogate(schema, made) if len(made) >= MIN_ROWS else None
    if held_out is None or _explained_share(held_out) <= MIN_EXPLAINED:
        return {}
    return permutation_importance.combine([permutation_importance.measure(held_out)])


def _fit_surrogate(schema: EventSchema, made: pa.Table) -> HeldOut | None:
    """Return the surrogate with the rows to ask it about; None where there is nothing to tell, or to tell it from."""
    frame, answers = scoring.inputs(schema, made), _merge_rare_classes(made[PREDICTION].to_pandas().to_numpy())
    cut = 2 * len(frame) // 3
    early = permutation_importance.sample(cut, MAX_FITTED_ROWS)
    # A feature of which nothing was known can teach nothing, and the trees refuse to see one.
    usable = [name for name in schema.features if frame[name].iloc[early].notna().any()]
    if not usable or len(np.unique(answers[early])) < 2:
        return None
    model = _unfitted(schema, usable).fit(frame.iloc[early], answers[early])
    rows, target = frame.iloc[cut:].reset_index(drop=True), answers[cut:]
    task = Task.MULTICLASS if schema.task is Task.MULTICLASS else Task.REGRESSION
    return HeldOut(model, task, rows, target, permutation_importance.target_sd(target))


def _of(schema: EventSchema, kind: FeatureKind) -> list[str]:
    return [name for name, its in schema.features.items() if its is kind]


def _merge_rare_classes(answers: Values) -> Values:
    """Leave numbers as they are, and of classes the most frequent: a tree a class and round would take its time."""
    if answers.dtype != object:
        return answers
    counted = sorted(Counter(answers.tolist()).items(), key=lambda item: (-item[1], item[0]))
    kept = {name for name, _ in counted[: MAX_CLASSES - 1]}
    return np.array([a if a in kept else _RARE for a in answers], dtype=object)


def _explained_share(held_out: HeldOut) -> float:
    """Return which share of the best constant's loss the model does away with: R2, for numbers. 0 if there is none."""
    target = held_out.target
    if len(np.unique(target)) < 2:
        return 0.0
    # A number's errors are in units of the target's own sd, in which the mean's squared error is 1.
    constant = 1.0 if held_out.task is Task.REGRESSION else 1 - max(Counter(target.tolist()).values()) / len(target)
    return 1 - permutation_importance.mean_loss(held_out) / constant


def _unfitted(schema: EventSchema, usable: Sequence[str]) -> Any:
    from sklearn.compose import make_column_transformer  # slow
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    texts, numbers = (
        [name for name in _of(schema, kind) if name in usable]
        for kind in (FeatureKind.CATEGORICAL, FeatureKind.NUMERIC)
    )
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=_BINS)
    trees = HistGradientBoostingClassifier if schema.task is Task.MULTICLASS else HistGradientBoostingRegressor
    return make_pipeline(
        make_column_transformer((codes, texts), ("passthrough", numbers)),
        trees(categorical_features=range(len(texts)), max_iter=60, early_stopping=False, random_state=0),
    )
