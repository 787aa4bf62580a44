"""Columns of rows to predict: plain lists by feature, and the DataFrame that training and scoring see of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from features import scoring
from features.schema import EventSchema, FeatureKind
from features.scoring import Values

Columns = Mapping[str, Sequence[Any]]
"""A list of values by feature, all of one length: floats, NaN where missing, or texts, None where missing."""


class Predictor(Protocol):
    """Predictions for columns; *name* says in records and metrics what made them."""

    name: str

    def predict(self, columns: Columns) -> Values:
        """Return predictions, (rows,), as :func:`features.scoring.score` does."""
        ...


def frame(schema: EventSchema, columns: Columns) -> pd.DataFrame:
    """Return columns as the DataFrame that :func:`features.scoring.inputs` makes of the same decoded events."""
    made = {}
    for name, kind in schema.features.items():
        dtype = np.float64 if kind is FeatureKind.NUMERIC else object
        values = np.empty(len(columns[name]), dtype)
        values[:] = columns[name]
        made[name] = values
    return pd.DataFrame(made)


class Reference:
    """The model as it is, on a DataFrame: what training, the gate and offline scoring call."""

    def __init__(self, model: Any, schema: EventSchema) -> None:
        self.name = type(model).__module__.partition(".")[0].replace("sklearn", "scikit-learn")
        self._model, self._schema = model, schema

    def predict(self, columns: Columns) -> Values:
        """Return predictions, (rows,); whatever the model raises passes through."""
        return scoring.score(self._model, frame(self._schema, columns), self._schema.task)
