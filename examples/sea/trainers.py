"""Trainers of the `sea` example, which leeway.yaml names under `retrain`."""

from __future__ import annotations

from typing import Any

from river import compose, linear_model, optim, preprocessing
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

SENSORS = ["sensor_a", "sensor_b", "sensor_c"]


def static() -> Any:
    """Return an unfitted scikit-learn pipeline: scaled readings and site into a logistic regression."""
    prepared = make_column_transformer(
        (StandardScaler(), SENSORS), (OneHotEncoder(handle_unknown="ignore"), ["site"]), remainder="drop"
    )
    return make_pipeline(prepared, LogisticRegression())


def online() -> Any:
    """Return an untrained River pipeline: the same without the site, learning from one labelled event at a time."""
    scaled = compose.Select(*SENSORS) | preprocessing.StandardScaler()
    return scaled | linear_model.LogisticRegression(optimizer=optim.SGD(0.05))
