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

LEAST_ROWS = 200
"""Rows below which nothing is said."""
LEAST_EXPLAINED = 0.05
"""Share of the predictions' variance (of their errors, for classes) that must be explained out of sample."""
FITTED, CLASSES = 20_000, 10
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
    asked = _fitted(schema, made) if len(made) >= LEAST_ROWS else None
    if asked is None or _explained(asked) <= LEAST_EXPLAINED:
        return {}
    return permutation_importance.combine([permutation_importance.rises(asked)])


def _fitted(schema: EventSchema, made: pa.Table) -> HeldOut | None:
    """Return the surrogate with the rows to ask it about; None where there is nothing to tell, or to tell it from."""
    frame, answers = scoring.inputs(schema, made), _coarse(made[PREDICTION].to_pandas().to_numpy())
    cut = 2 * len(frame) // 3
    early = permutation_importance.sample(cut, FITTED)
    # A feature of which nothing was known can teach nothing, and the trees refuse to see one.
    known = [name for name in schema.features if frame[name].iloc[early].notna().any()]
    if not known or len(np.unique(answers[early])) < 2:
        return None
    model = _unfitted(schema, known).fit(frame.iloc[early], answers[early])
    rows, target = frame.iloc[cut:].reset_index(drop=True), answers[cut:]
    task = Task.MULTICLASS if schema.task is Task.MULTICLASS else Task.REGRESSION
    return HeldOut(model, task, rows, target, permutation_importance.spread(target))


def _of(schema: EventSchema, kind: FeatureKind) -> list[str]:
    return [name for name, its in schema.features.items() if its is kind]


def _coarse(answers: Values) -> Values:
    """Leave numbers as they are, and of classes the most frequent: a tree a class and round would take its time."""
    if answers.dtype != object:
        return answers
    counted = sorted(Counter(answers.tolist()).items(), key=lambda item: (-item[1], item[0]))
    kept = {name for name, _ in counted[: CLASSES - 1]}
    return np.array([a if a in kept else _RARE for a in answers], dtype=object)


def _explained(asked: HeldOut) -> float:
    """Return which share of the best constant's loss the model does away with: R2, for numbers. 0 if there is none."""
    target = asked.target
    if len(np.unique(target)) < 2:
        return 0.0
    # A number's errors are in units of the target's own sd, in which the mean's squared error is 1.
    constant = 1.0 if asked.task is Task.REGRESSION else 1 - max(Counter(target.tolist()).values()) / len(target)
    return 1 - permutation_importance.mean_loss(asked) / constant


def _unfitted(schema: EventSchema, known: Sequence[str]) -> Any:
    from sklearn.compose import make_column_transformer  # slow
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    texts, numbers = (
        [name for name in _of(schema, kind) if name in known] for kind in (FeatureKind.CATEGORICAL, FeatureKind.NUMERIC)
    )
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=_BINS)
    trees = HistGradientBoostingClassifier if schema.task is Task.MULTICLASS else HistGradientBoostingRegressor
    return make_pipeline(
        make_column_transformer((codes, texts), ("passthrough", numbers)),
        trees(categorical_features=range(len(texts)), max_iter=60, early_stopping=False, random_state=0),
    )
