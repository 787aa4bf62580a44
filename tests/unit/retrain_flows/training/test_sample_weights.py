"""Sample weights: which models can use them, and what rows before a change count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from retrain_flows.training import sample_weights


class NoSignature:
    """A model whose `fit` is built in."""

    fit = staticmethod(min)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (HistGradientBoostingClassifier(), "sample_weight"),
        (KNeighborsClassifier(), None),
        (make_pipeline(StandardScaler(), LogisticRegression()), "logisticregression__sample_weight"),
        (make_pipeline(StandardScaler(), KNeighborsClassifier()), None),
        (make_pipeline(make_pipeline(LogisticRegression())), "pipeline__logisticregression__sample_weight"),
        (NoSignature(), None),
        (object(), None),
    ],
)
def test_a_model_is_asked_how_it_takes_weights(model: Any, name: str | None) -> None:
    """Of a Pipeline the last step counts, as that learns from the labels."""
    assert name == sample_weights.parameter(model)


def test_rows_before_a_change_count_as_much_as_those_since() -> None:
    """Together, however many they are; so the mean weight is 1."""
    weights = sample_weights.shared(np.arange(1000), 900)
    assert weights is not None
    assert (pytest.approx(500), pytest.approx(500)) == (weights[:900].sum(), weights[900:].sum())


@pytest.mark.parametrize("change", [0, 400, 500, 1000, 2000])
def test_rows_count_alike_where_few_are_older_or_none_is_newer(change: int) -> None:
    """Old rows never count more than new ones."""
    assert sample_weights.shared(np.arange(1000), change) is None
