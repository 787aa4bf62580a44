"""Surrogate importance: permutation importance of a model of which there is only a log of predictions.

Gradient-boosted trees (a surrogate model) are fitted to the predictions of the earlier part of the log, and their
permutation importance is measured on the later part. Where the surrogate explains nothing, importance is unknown.

References
----------
Craven and Shavlik (1996), "Extracting tree-structured representations of trained networks", NIPS 8 (surrogate models).
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
"""Usable rows below which importance is unknown: it is measured on a third of them."""
MIN_EXPLAINED = 0.05
"""Share of the predictions' variance (for classes, of the errors of the most frequent one) that the surrogate must
explain out of sample, 0 to 1: below it, a ranking of features would be noise."""
MAX_FITTED_ROWS = 20_000
"""Largest number of rows that the surrogate is fitted on, to bound the time it takes."""
MAX_CLASSES = 10
"""Largest number of predicted classes; rarer ones are merged, since each class and round takes a tree of its own."""
_BINS = 255
"""Largest number of categories of a feature: the limit of scikit-learn's histogram trees."""
_RARE = "\0rare"
"""The merged class; no event has a NUL in a class."""


def measure(schema: EventSchema, made: pa.Table) -> dict[str, float]:
    """Return the importance of each feature to a version, from its logged predictions.

    In order of time, the surrogate is fitted on the first two thirds of the rows. Importance is the increase of its
    squared error (for classes, 0-1 loss) on the last third.

    Parameters
    ----------
    schema
        The schema of the events.
    made
        Decoded predictions of one version (:mod:`features.events.decode`).

    Returns
    -------
    dict
        Shares that sum to 1, by feature; empty, which means unknown, with fewer than :data:`MIN_ROWS` usable rows or
        where the surrogate explains too little (:data:`MIN_EXPLAINED`).
    """
    made = made.sort_by([(TIME, "ascending"), (ID, "ascending")])
    made = made.filter(pa.array(scoring.is_answered(made[PREDICTION].to_pandas().to_numpy())))
    held_out = _fit_surrogate(schema, made) if len(made) >= MIN_ROWS else None
    if held_out is None or _explained_share(held_out) <= MIN_EXPLAINED:
        return {}
    return permutation_importance.combine([permutation_importance.measure(held_out)])


def _fit_surrogate(schema: EventSchema, made: pa.Table) -> HeldOut | None:
    """Fit the surrogate; return it with the held-out rows, or None without feature values or differing predictions."""
    frame, answers = scoring.inputs(schema, made), _merge_rare_classes(made[PREDICTION].to_pandas().to_numpy())
    cut = 2 * len(frame) // 3
    early = permutation_importance.sample(cut, MAX_FITTED_ROWS)
    # The trees refuse a feature that has no value at all.
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
    """Return predictions, (rows,), with all but the most frequent classes merged into one; numbers as they are."""
    if answers.dtype != object:
        return answers
    counted = sorted(Counter(answers.tolist()).items(), key=lambda item: (-item[1], item[0]))
    frequent = {name for name, _ in counted[: MAX_CLASSES - 1]}
    return np.array([a if a in frequent else _RARE for a in answers], dtype=object)


def _explained_share(held_out: HeldOut) -> float:
    """Return the share of the best constant's loss that the surrogate removes (R2, for numbers); 0 if all are equal."""
    target = held_out.target
    if len(np.unique(target)) < 2:
        return 0.0
    # Squared errors are in units of the target's variance, so that of predicting the mean is 1.
    constant = 1.0 if held_out.task is Task.REGRESSION else 1 - max(Counter(target.tolist()).values()) / len(target)
    return 1 - permutation_importance.mean_loss(held_out) / constant


def _unfitted(schema: EventSchema, usable: Sequence[str]) -> Any:
    """Return gradient-boosted trees on the usable features, with categories as integer codes."""
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
