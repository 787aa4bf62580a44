"""Outcome counts: exact, independent of order, and sufficient for the metrics of the raw rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from features.schema import Task
from monitors.profiles import outcome_counts
from monitors.stats.bins import CategoricalBins, Counts, NumericBins

YES_NO = {"label": CategoricalBins(categories=("0", "1"))}
VALUE = {"label": NumericBins(edges=(0.0, 5.0, 10.0), mean=5.0, sd=2.0)}
CLASSES = {"label": CategoricalBins(categories=("a", "b"))}


def binary(seed: int, n: int) -> tuple[Any, Any]:
    """Return calibrated scores and their labels."""
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 3, n)
    return p, (rng.random(n) < p).astype(float)


def counted(task: Task, bins: Any, prediction: Any, label: Any, labelled: Any = None) -> dict[str, Counts]:
    """Return the counts of all rows as one group."""
    every = np.ones(len(label), bool) if labelled is None else np.asarray(labelled)
    found = outcome_counts.count(task, bins, prediction, label, every, np.zeros(len(label), np.int64), 1)
    return {name: cells[0] for name, cells in found.items()}


def test_binary_metrics_are_sklearns() -> None:
    """From the cells alone: log loss to 1e-6, accuracy exactly, AUC within 0.002 and its own bound, Brier close."""
    p, y = binary(1, 20_000)
    found = outcome_counts.metrics(Task.BINARY, counted(Task.BINARY, YES_NO, p, y))
    assert pytest.approx(sk.log_loss(y, p), abs=1e-6) == found["log_loss"]
    assert pytest.approx(sk.accuracy_score(y, p >= 0.5), abs=1e-12) == found["accuracy"]
    assert pytest.approx(sk.brier_score_loss(y, p), abs=5e-4) == found["brier"]
    away = abs(sk.roc_auc_score(y, p) - found["auc"])
    assert away < 0.002
    assert away <= found["auc_error"]


def test_auc_of_crowded_scores_says_how_far_off_it_may_be() -> None:
    """Scores of rare events share a few bins; the stated bound still holds the true area."""
    rng = np.random.default_rng(2)
    p = rng.beta(1, 300, 50_000)
    y = (rng.random(50_000) < p).astype(float)
    found = outcome_counts.metrics(Task.BINARY, counted(Task.BINARY, YES_NO, p, y))
    assert found["auc_error"] > 0.05
    assert abs(sk.roc_auc_score(y, p) - found["auc"]) <= found["auc_error"]


def test_scores_at_the_ends_are_counted() -> None:
    """0, 1 and values beyond them have a bin; the loss of a sure mistake is finite."""
    found = counted(Task.BINARY, YES_NO, np.array([0.0, 1.0, 1.7, 0.5]), np.array([1.0, 1.0, 0.0, 0.0]))
    cells = {int(i): int(n) for i, n in enumerate(found["scores"]) if n}
    assert {1: 1, 200: 1, 398: 1, 399: 1} == cells
    assert outcome_counts.metrics(Task.BINARY, found)["log_loss"] < 14


def test_regression_metrics_by_hand() -> None:
    """The loss is in units of the label's variance; the RMSE comes back in its own units."""
    found = counted(Task.REGRESSION, VALUE, np.array([1.0, 4.0]), np.array([3.0, 4.0]))
    assert [1_000_000, 1_000_000] == found["loss"].tolist()
    told = outcome_counts.metrics(Task.REGRESSION, found, sd=outcome_counts.label_sd(VALUE))
    assert {"coverage": 1.0, "rmse": pytest.approx(2**0.5), "mean_loss": 0.5} == told


def test_a_wild_prediction_does_not_overflow_the_sums() -> None:
    """An error is cut off at 30 label sd, so millions of such rows still fit 64 bits."""
    found = counted(Task.REGRESSION, VALUE, np.array([1e308, -1e308]), np.array([-1e308, 1e308]))
    assert [2 * 900 * 10**6, 2 * 900**2 * 10**6] == found["loss"].tolist()


def test_a_constant_label_has_a_unit() -> None:
    """Without spread the error is measured as it is."""
    assert 1.0 == outcome_counts.label_sd({"label": NumericBins(edges=(3.0, 3.0), mean=3.0, sd=0.0)})
    assert 1.0 == outcome_counts.label_sd(CLASSES)


def test_multiclass_loss_is_the_error_rate() -> None:
    """0-1 loss and accuracy, for classes of any name; labels are counted on their bins."""
    label, prediction = np.array(["a", "b", "z", "a"], object), np.array(["a", "a", "z", "a"], object)
    found = counted(Task.MULTICLASS, CLASSES, prediction, label)
    assert [[4, 0], [1_000_000, 1_000_000], [2, 1, 0, 1, 0]] == [
        found[k].tolist() for k in ("coverage", "loss", "label")
    ]
    assert {"coverage": 1.0, "accuracy": 0.75} == outcome_counts.metrics(Task.MULTICLASS, found)


def test_only_usable_rows_are_scored() -> None:
    """A row without label, with a missing value on either side, or labelled neither 0 nor 1 is covered by nothing."""
    nan = np.nan
    p, y = np.array([0.5, 0.5, nan, 0.5, 0.5]), np.array([1.0, nan, 1.0, nan, 3.0])
    found = counted(Task.BINARY, YES_NO, p, y, [True, False, True, True, True])
    assert [1, 4] == found["coverage"].tolist()
    assert [0, 2, 0, 1, 1] == found["label"].tolist()
    classes = np.array(["a", None, "b"], object), np.array([None, "a", "b"], object)
    assert [1, 2] == counted(Task.MULTICLASS, CLASSES, *classes)["coverage"].tolist()


def test_undefined_metrics_are_nan() -> None:
    """One class only has no AUC; no rows have nothing at all."""
    one = outcome_counts.metrics(Task.BINARY, counted(Task.BINARY, YES_NO, np.array([0.2, 0.7]), np.array([1.0, 1.0])))
    assert {"auc", "auc_error"} == {name for name, value in one.items() if np.isnan(value)}
    none = outcome_counts.metrics(Task.BINARY, counted(Task.BINARY, YES_NO, np.array([]), np.array([])))
    assert np.isnan(list(none.values())).all()


@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(1, 5))
def test_counts_add_in_any_split_and_order(seed: int, parts: int) -> None:
    """Shuffled rows, split into groups, add up to the counts of all rows, to the last unit."""
    p, y = binary(seed, 60)
    rng = np.random.default_rng(seed)
    order, groups, labelled = rng.permutation(60), rng.integers(0, parts, 60), rng.random(60) < 0.8
    whole = counted(Task.BINARY, YES_NO, p, y, labelled)
    split = outcome_counts.count(Task.BINARY, YES_NO, p[order], y[order], labelled[order], groups, parts)
    assert {name: cells.tolist() for name, cells in whole.items()} == {
        name: cells.sum(axis=0).tolist() for name, cells in split.items()
    }


@given(st.integers(-(10**15), 10**15))
def test_a_whole_label_has_one_spelling(value: int) -> None:
    """A label is the same category whether it came as an integer, a float or text."""
    assert str(value) == outcome_counts.label_text(float(value)) == outcome_counts.label_text(str(value))
