"""Trainers of the flights example, which leeway.yaml names under `retrain`."""

from __future__ import annotations

from typing import Any

from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

CATEGORIES = ["carrier", "origin", "dest", "weekday"]


def boosted() -> Any:
    """Return an unfitted gradient-boosted classifier; categories are numbered, and a new one is its own number."""
    numbered = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2), CATEGORIES),
        remainder="passthrough",
    )
    trees = HistGradientBoostingClassifier(
        learning_rate=0.06, max_iter=120, max_leaf_nodes=15, min_samples_leaf=100, l2_regularization=1.0, random_state=0
    )
    return make_pipeline(numbered, trees)
