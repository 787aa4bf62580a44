"""Fast predictors: a fitted scikit-learn pipeline as numpy, or its trees by treelite, for requests of few rows.

A call of scikit-learn on a row costs .2 to 3 ms, most of which is a DataFrame, checks and threads; the same arithmetic
takes some hundredths of that.
"""

from __future__ import annotations

import atexit
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.base import is_classifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.pipeline import Pipeline

from features.schema import EventSchema, Task
from features.scoring import Values
from serving.predictors.columns import Columns
from serving.predictors.encoders import Encoder, Matrix, Untranslatable, encoder

FLOAT32_TREES = (ExtraTreesClassifier, ExtraTreesRegressor, GradientBoostingClassifier, GradientBoostingRegressor,
                 RandomForestClassifier, RandomForestRegressor)  # fmt: skip
"""Estimators that compare features as float32."""
FLOAT64_TREES = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
LINEAR = (ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor)
Finish = Callable[[Matrix], npt.NDArray[Any]]
"""From a matrix of inputs to outputs: a value a row, or (rows, classes)."""


class Fast:
    """Columns to predictions through a translated pipeline; *name* is what computes its last step."""

    def __init__(self, name: str, encode: Encoder, finish: Callable[[Matrix], Values]) -> None:
        self.name = name
        self._encode, self._finish = encode, finish

    def predict(self, columns: Columns) -> Values:
        """Return predictions, (rows,)."""
        return self._finish(self._encode(columns))


def translate(model: Any, schema: EventSchema) -> Fast:
    """Return a fitted *model* as a fast predictor.

    Raises
    ------
    Untranslatable
        The model, or a part of it, has no translation.
    """
    steps = [each for _, each in model.steps] if isinstance(model, Pipeline) else [model]
    if type(steps[-1]) in LINEAR:
        name, outputs = "numpy", _linear(steps[-1])
    elif type(steps[-1]) in FLOAT32_TREES + FLOAT64_TREES:
        name, outputs = "treelite", _trees(steps[-1])
    else:
        raise Untranslatable(type(steps[-1]).__name__)
    return Fast(name, encoder(steps[:-1], schema), _predictions(steps[-1], outputs, schema.task))


def _predictions(estimator: Any, outputs: Finish, task: Task) -> Callable[[Matrix], Values]:
    """Return from an estimator's outputs to what the task predicts: a probability, a value or a class."""
    if task is Task.REGRESSION:
        return lambda matrix: outputs(matrix).reshape(-1)
    if not is_classifier(estimator):
        msg = f"{type(estimator).__name__} for a {task.value} task"
        raise Untranslatable(msg)
    classes = estimator.classes_
    if task is Task.MULTICLASS:
        words = np.array([str(c) for c in classes], object)
        if len(words) == 2:  # one output, of the second class
            return lambda matrix: words[(_second(outputs(matrix)) > 0.5).astype(int)]
        return lambda matrix: words[outputs(matrix).argmax(axis=1)]
    if [float(c) for c in classes] != [0.0, 1.0]:
        msg = f"classes {list(classes)}"
        raise Untranslatable(msg)
    return lambda matrix: _second(outputs(matrix))


def _second(outputs: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the probability of the second class: the only output, or the second of two."""
    flat = outputs.reshape(len(outputs), -1)
    return np.asarray(flat[:, -1], np.float64)


def _linear(estimator: Any) -> Finish:
    """Return a linear model's outputs: values, the second class's probability, or each class's score."""
    weights, bias = np.atleast_2d(estimator.coef_).T, np.atleast_1d(estimator.intercept_)
    if is_classifier(estimator) and weights.shape[1] == 1:
        if isinstance(estimator, SGDClassifier) and estimator.loss != "log_loss":
            msg = f"SGDClassifier(loss={estimator.loss!r})"
            raise Untranslatable(msg)
        return lambda matrix: expit(matrix @ weights + bias)
    return lambda matrix: matrix @ weights + bias


@functools.cache
def _one_thread() -> Any:
    """Return treelite's setting of one thread, which lives until the interpreter ends."""
    import treelite  # as below

    atexit.register(_one_thread.cache_clear)  # its finaliser calls the library, which is gone later
    return treelite.gtil.gtil.GTILConfig(nthread=1, predict_type="default")


def _trees(estimator: Any) -> Finish:
    """Return a tree ensemble's outputs by treelite."""
    import treelite  # loads a native library that only tree ensembles need

    try:
        trees = treelite.sklearn.import_model(estimator)
    except Exception as error:  # it raises errors of many kinds for what it does not take
        msg = f"{type(estimator).__name__} for treelite: {error}"
        raise Untranslatable(msg) from error
    narrow = isinstance(estimator, FLOAT32_TREES)

    def outputs(matrix: Matrix) -> npt.NDArray[Any]:
        rows = np.ascontiguousarray(matrix.astype(np.float32).astype(np.float64) if narrow else matrix)
        # What `treelite.gtil.predict` calls; that one also makes and parses its settings, for each row anew.
        made = treelite.gtil.gtil._predict_impl(trees, rows, config=_one_thread())
        return np.asarray(made).reshape(len(rows), -1)

    return outputs
