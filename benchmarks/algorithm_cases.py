"""The algorithms of the page on algorithms: how each is made for fitting and for learning, and for which task."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from features.schema import Task

NUMBERS, CATEGORIES = ["a", "b"], ["c"]
"""The numeric features of the rows, which are positive, and the categorical one."""
_FIRST_BATCH = "first batch"
_LINEAR, _TREES, _BAYES = "Linear models", "Trees and ensembles", "Naive Bayes"
_NEAR, _NETS, _CLUSTERS = "Neighbours and kernels", "Neural networks", "Clustering"
_STEPS = "Scaling, encoding and other steps before the last"
_BINARY, _NUMBER, _CLASS = Task.BINARY, Task.REGRESSION, Task.MULTICLASS


@dataclass(frozen=True, slots=True)
class Case:
    """An algorithm.

    Parameters
    ----------
    family
        Its heading.
    name
        Its import path.
    task
        The task that it is run for.
    fit, learn
        Return a new model for fitting, and for learning.
    note
        What is said of learning where it works; "" for yes.
    answers
        What is said of predicting where it works.
    """

    family: str
    name: str
    task: Task
    fit: Callable[[], Any]
    learn: Callable[[], Any]
    note: str = ""
    answers: str = "yes"


def _new(path: str, options: dict[str, Any]) -> Any:
    """Return a new object of a class by its import path."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)(**options)


def _last(path: str, options: dict[str, Any]) -> Any:
    """Return an estimator of scikit-learn behind numbers from 0 to 1."""
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    return make_pipeline(make_column_transformer((MinMaxScaler(clip=True), NUMBERS)), _new(path, options))


def _step(path: str, columns: list[str], options: dict[str, Any], *, learns: bool) -> Any:
    """Return a pipeline of a step on some columns and a logistic regression, that learns or is fitted."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.pipeline import make_pipeline

    chosen = make_column_transformer(("passthrough", columns), verbose_feature_names_out=False)
    model = SGDClassifier(loss="log_loss", random_state=0) if learns else LogisticRegression()
    return make_pipeline(chosen, _new(path, options), model)


def _river(path: str, options: dict[str, Any]) -> Any:
    """Return a River model behind scaled numbers."""
    from river import compose, preprocessing

    return compose.Select(*NUMBERS) | preprocessing.StandardScaler() | _new(path, options)


def _river_step(path: str, columns: list[str], options: dict[str, Any]) -> Any:
    """Return a River pipeline of a step on some columns and a logistic regression."""
    from river import compose, linear_model

    return compose.Select(*columns) | _new(path, options) | linear_model.LogisticRegression()


def _sklearn(family: str, task: Task, path: str, answers: str = "yes", **options: Any) -> Case:
    name, make = f"sklearn.{path}", partial(_last, f"sklearn.{path}", options)
    return Case(family, name, task, make, make, answers=answers)


def _sklearn_step(path: str, columns: list[str], note: str = "", **options: Any) -> Case:
    name = f"sklearn.{path}"
    fit, learn = (partial(_step, name, columns, options, learns=learns) for learns in (False, True))
    return Case(_STEPS, name, _BINARY, fit, learn, note)


def _of_river(family: str, task: Task, path: str, answers: str = "yes", **options: Any) -> Case:
    make = partial(_river, f"river.{path}", options)
    return Case(family, f"river.{path}", task, make, make, answers=answers)


def _of_river_step(path: str, columns: list[str], **options: Any) -> Case:
    make = partial(_river_step, f"river.{path}", columns, options)
    return Case(_STEPS, f"river.{path}", _BINARY, make, make)


def _cases() -> Iterator[Case]:
    """Yield the cases, family by family."""
    seed, few = {"random_state": 0}, {"seed": 0, "n_models": 3}
    yield _sklearn(_LINEAR, _BINARY, "linear_model.LogisticRegression")
    yield _sklearn(_LINEAR, _BINARY, "linear_model.SGDClassifier", loss="log_loss", **seed)
    yield _sklearn(_LINEAR, _BINARY, "linear_model.Perceptron", **seed)
    yield _sklearn(_LINEAR, _CLASS, "linear_model.PassiveAggressiveClassifier", **seed)
    yield _sklearn(_LINEAR, _NUMBER, "linear_model.LinearRegression")
    yield _sklearn(_LINEAR, _NUMBER, "linear_model.Ridge")
    yield _sklearn(_LINEAR, _NUMBER, "linear_model.Lasso", alpha=0.01)
    yield _sklearn(_LINEAR, _NUMBER, "linear_model.SGDRegressor", **seed)
    yield _sklearn(_LINEAR, _NUMBER, "linear_model.PassiveAggressiveRegressor", **seed)
    yield _of_river(_LINEAR, _BINARY, "linear_model.LogisticRegression")
    yield _of_river(_LINEAR, _CLASS, "linear_model.SoftmaxRegression")
    yield _of_river(_LINEAR, _BINARY, "linear_model.ALMAClassifier")
    yield _of_river(_LINEAR, _NUMBER, "linear_model.LinearRegression")
    yield _of_river(_LINEAR, _NUMBER, "linear_model.BayesianLinearRegression")
    yield _of_river(_LINEAR, _NUMBER, "linear_model.PARegressor")
    yield _sklearn(_TREES, _BINARY, "tree.DecisionTreeClassifier", max_depth=4, **seed)
    yield _sklearn(_TREES, _BINARY, "ensemble.RandomForestClassifier", n_estimators=5, **seed)
    yield _sklearn(_TREES, _NUMBER, "ensemble.ExtraTreesRegressor", n_estimators=5, **seed)
    yield _sklearn(_TREES, _BINARY, "ensemble.GradientBoostingClassifier", n_estimators=5, **seed)
    yield _sklearn(_TREES, _CLASS, "ensemble.HistGradientBoostingClassifier", max_iter=5, **seed)
    yield _of_river(_TREES, _BINARY, "tree.HoeffdingTreeClassifier")
    yield _of_river(_TREES, _BINARY, "tree.HoeffdingAdaptiveTreeClassifier", seed=0)
    yield _of_river(_TREES, _NUMBER, "tree.HoeffdingTreeRegressor")
    yield _of_river(_TREES, _BINARY, "forest.ARFClassifier", **few)
    yield _sklearn(_BAYES, _BINARY, "naive_bayes.GaussianNB")
    yield _sklearn(_BAYES, _CLASS, "naive_bayes.MultinomialNB")
    yield _sklearn(_BAYES, _BINARY, "naive_bayes.ComplementNB")
    yield _sklearn(_BAYES, _BINARY, "naive_bayes.BernoulliNB", binarize=0.5)
    yield _of_river(_BAYES, _BINARY, "naive_bayes.GaussianNB")
    yield _sklearn(_NEAR, _BINARY, "neighbors.KNeighborsClassifier")
    yield _sklearn(_NEAR, _BINARY, "svm.SVC", probability=True, **seed)
    yield _sklearn(_NEAR, _NUMBER, "svm.SVR")
    yield _of_river(_NEAR, _BINARY, "neighbors.KNNClassifier")
    yield _sklearn(_NETS, _BINARY, "neural_network.MLPClassifier", hidden_layer_sizes=(4,), max_iter=20, **seed)
    yield _sklearn(_NETS, _NUMBER, "neural_network.MLPRegressor", hidden_layer_sizes=(4,), max_iter=20, **seed)
    yield _sklearn(_CLUSTERS, _CLASS, "cluster.KMeans", "the cluster", n_clusters=3, n_init=1, **seed)
    yield _sklearn(_CLUSTERS, _CLASS, "cluster.MiniBatchKMeans", "the cluster", n_clusters=3, n_init=1, **seed)
    yield _sklearn(_CLUSTERS, _CLASS, "cluster.Birch", "the cluster", n_clusters=3)
    yield _of_river(_CLUSTERS, _CLASS, "cluster.KMeans", "the cluster", n_clusters=3, seed=0)
    yield from _steps()


def _steps() -> Iterator[Case]:
    """Yield the steps before the last."""
    yield _sklearn_step("preprocessing.StandardScaler", NUMBERS)
    yield _sklearn_step("preprocessing.MinMaxScaler", NUMBERS)
    yield _sklearn_step("preprocessing.MaxAbsScaler", NUMBERS)
    yield _sklearn_step("preprocessing.RobustScaler", NUMBERS, _FIRST_BATCH)
    yield _sklearn_step("preprocessing.QuantileTransformer", NUMBERS, _FIRST_BATCH, n_quantiles=10)
    yield _sklearn_step(
        "preprocessing.KBinsDiscretizer", NUMBERS, _FIRST_BATCH, quantile_method="averaged_inverted_cdf"
    )
    yield _sklearn_step("preprocessing.PolynomialFeatures", NUMBERS, _FIRST_BATCH)
    yield _sklearn_step("preprocessing.OneHotEncoder", CATEGORIES, _FIRST_BATCH, handle_unknown="ignore")
    yield _sklearn_step("preprocessing.OrdinalEncoder", CATEGORIES, _FIRST_BATCH)
    yield _sklearn_step("preprocessing.TargetEncoder", CATEGORIES, _FIRST_BATCH, random_state=0)
    yield _sklearn_step("impute.SimpleImputer", NUMBERS, _FIRST_BATCH)
    yield _sklearn_step("decomposition.PCA", NUMBERS, _FIRST_BATCH, n_components=1)
    yield _sklearn_step("decomposition.IncrementalPCA", NUMBERS, n_components=1)
    yield _sklearn_step("cluster.MiniBatchKMeans", NUMBERS, n_clusters=3, n_init=1, random_state=0)
    yield _sklearn_step("kernel_approximation.RBFSampler", NUMBERS, _FIRST_BATCH, n_components=8, random_state=0)
    yield _of_river_step("preprocessing.StandardScaler", NUMBERS)
    yield _of_river_step("preprocessing.MinMaxScaler", NUMBERS)
    yield _of_river_step("preprocessing.OneHotEncoder", CATEGORIES)
    yield _of_river_step("preprocessing.OrdinalEncoder", CATEGORIES)
    yield _of_river_step("feature_extraction.PolynomialExtender", NUMBERS)


CASES = tuple(_cases())
"""All cases, in the order of the page."""
