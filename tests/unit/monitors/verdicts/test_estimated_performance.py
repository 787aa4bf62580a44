"""Estimated performance before labels: equal to the later measured one where its assumptions hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import Ridge

from features.schema import Task
from monitors.baseline.baseline import Baseline
from monitors.finding import Finding, Signal, Verdict
from monitors.profiles import loss_estimator, outcome_counts, score_calibration
from monitors.profiles.loss_estimator import DirectLossEstimator
from monitors.profiles.score_calibration import ScoreCalibration
from monitors.stats.bins import CategoricalBins, freeze_numeric
from monitors.verdicts import distribution, estimated_performance
from tests.support import learned_baselines as learned

Floats = npt.NDArray[np.float64]
LABEL_BINS = {"label": CategoricalBins(categories=("0", "1"))}
LEVEL = distribution.WINDOW_LEVEL


def scored(n: int, seed: int, *, shift: float = 0.0, wide: float = 1.0, slope: float = 1.6) -> dict[str, Any]:
    """Return *n* rows whose chance of a 1 rises with x, of a model that is too sure of itself by *slope*."""
    rng = np.random.default_rng(seed)
    x = wide * rng.standard_normal(n) + shift
    chance = 1 / (1 + np.exp(1 - 1.2 * x))
    score = 1 / (1 + np.exp(slope * (1 - 1.2 * x)))
    return {"x": x, "y": rng.standard_normal(n), "prediction": score, "label": (rng.random(n) < chance).astype(float)}


def missed(n: int, seed: int, *, shift: float = 0.0, **more: Any) -> dict[str, Any]:
    """Return *n* rows of a regression whose errors grow with x, and have nothing to do with y and z."""
    rng = np.random.default_rng(seed)
    x, label = rng.standard_normal(n) + shift, rng.standard_normal(n)
    out = {"x": x, "y": rng.standard_normal(n), "z": rng.standard_normal(n), "label": label}
    return {**out, "prediction": label + 0.5 * np.exp(x / 4) * rng.standard_normal(n), **more}


BINARY, REGRESSION = learned.schema(Task.BINARY, "x", "y"), learned.schema(Task.REGRESSION, "x", "y", "z")


def realised(task: Task, known: Baseline, rows: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of *rows* whose labels are all known."""
    n = len(rows["label"])
    sd = outcome_counts.label_sd(known.bins)
    every, one = np.ones(n, bool), np.zeros(n, np.int64)
    bins = LABEL_BINS if task is Task.BINARY else known.bins
    found = outcome_counts.count(task, bins, rows["prediction"], rows["label"], every, one, 1)
    return outcome_counts.metrics(task, {name: c[0] for name, c in found.items()}, sd=sd)


def judge(known: Baseline, rows: Mapping[str, Any], *, segment: str = "") -> Finding:
    """Return the finding on *rows* as one window."""
    reference = estimated_performance.reference(known, segment, 2, sd=outcome_counts.label_sd(known.bins))
    assert reference is not None
    found = estimated_performance.finding(reference, learned.counts(known, rows), learned.POLICY, level=LEVEL)
    assert (Signal.ESTIMATE, "loss", "estimated_loss_increase") == (found.signal, found.variable, found.metric)
    assert all(map(math.isfinite, found.metrics.values()))
    return found


@pytest.mark.parametrize(("shift", "wide"), [(0.0, 1.0), (0.4, 1.0), (-0.5, 1.0), (0.0, 0.7), (0.3, 1.2)])
def test_a_binary_estimate_is_what_comes(shift: float, wide: float) -> None:
    """Log loss, AUC, accuracy and Brier score of 40,000 rows whose mix has changed, from a baseline of 20,000."""
    known = learned.baseline(BINARY, scored(20_000, 1))
    rows = scored(40_000, 2, shift=shift, wide=wide)
    told, truth = judge(known, rows).metrics, realised(Task.BINARY, known, rows)
    for metric, off in {"log_loss": 0.015, "auc": 0.012, "accuracy": 0.01, "brier": 0.005}.items():
        assert pytest.approx(truth[metric], abs=off) == told[f"estimated_{metric}"], metric


@pytest.mark.parametrize("shift", [0.0, 0.3, -0.3])
def test_a_regression_estimate_is_what_comes(shift: float) -> None:
    """The RMSE of 40,000 rows that are harder, or easier, than the 20,000 of the baseline."""
    known = learned.baseline(REGRESSION, missed(20_000, 1))
    rows = missed(40_000, 2, shift=shift)
    told, truth = judge(known, rows).metrics, realised(Task.REGRESSION, known, rows)

    assert pytest.approx(truth["rmse"], rel=0.03) == told["estimated_rmse"]


@pytest.mark.parametrize("seed", range(5))
def test_rows_that_are_harder_are_found_and_others_are_not(seed: int) -> None:
    """More scores in the middle, or more of the x where errors are large: a rise. The same mix again: none."""
    binary, other = learned.baseline(BINARY, scored(5000, seed)), learned.baseline(REGRESSION, missed(5000, seed))
    harder = (
        judge(binary, scored(2000, 100 + seed, shift=0.8, wide=0.3)),
        judge(other, missed(2000, 100 + seed, shift=1.0)),
    )
    same = judge(binary, scored(2000, 200 + seed)), judge(other, missed(2000, 200 + seed))

    assert [Verdict.DRIFT] * 2 == [f.verdict for f in harder]
    assert [Verdict.STEADY] * 2 == [f.verdict for f in same]
    assert "this assumes that labels depend on scores as in the baseline" in harder[0].reason
    assert "concept drift shows when labels arrive" in harder[1].reason


def test_a_shift_that_is_no_harder_alarms_no_more_than_chance() -> None:
    """All of y one sd away, which errors have nothing to do with: the table's own noise is not called a rise."""
    alarms = 0
    for seed in range(40):
        known = learned.baseline(REGRESSION, missed(2000, seed))
        rows = missed(2000, 100 + seed)
        found = judge(known, {**rows, "y": rows["y"] + 1})
        alarms += found.verdict is Verdict.DRIFT

    assert alarms <= stats.binom.ppf(0.999, 40, LEVEL)


def test_concept_drift_is_not_seen() -> None:
    """Where labels turn against the scores, the estimate keeps to what it learned: the reason says so beforehand."""
    known, rows = learned.baseline(BINARY, scored(5000, 1)), scored(5000, 4)
    turned = {**rows, "label": 1 - rows["label"]}
    found, truth = judge(known, turned), realised(Task.BINARY, known, turned)

    assert Verdict.STEADY is found.verdict
    assert truth["log_loss"] > 2 * found.metrics["estimated_log_loss"]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "make"), [(Task.BINARY, scored), (Task.REGRESSION, missed)])
def test_what_the_reference_leaves_open_is_told(task: Task, make: Any) -> None:
    """Over 40 baselines of 2,000 rows, errors of the estimated rise are as large as they were said to be."""
    events = BINARY if task is Task.BINARY else REGRESSION
    moved = make(20_000, 1000, shift=0.5)
    if task is Task.REGRESSION:
        moved = {**make(20_000, 1000), "y": moved["y"] + 1, "z": moved["z"] - 1}
    truths = [realised(task, learned.baseline(events, make(2000, 0)), r) for r in (make(200_000, 1001), moved)]
    before, after = (t["log_loss"] if task is Task.BINARY else t["mean_loss"] for t in truths)
    off = []
    for seed in range(40):
        found = judge(learned.baseline(events, make(2000, seed)), moved)
        if found.effect is not None:  # not every baseline of so few rows tells losses apart
            off.append((found.effect - (after / before - 1)) / max(found.metrics["estimate_error"], 1e-9))

    assert len(off) >= 30
    assert 0.5 <= math.sqrt(np.mean(np.square(off))) <= 2


def test_multiclass_estimates_its_accuracy() -> None:
    """A class that is often mistaken becomes more frequent."""

    def answered(n: int, seed: int, share: float) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        prediction = rng.choice(np.array(["p", "q"], object), n, p=[share, 1 - share])
        right = rng.random(n) < np.where(prediction == "p", 0.95, 0.6)
        return {"x": rng.standard_normal(n), "prediction": prediction, "label": np.where(right, prediction, "r")}

    known = learned.baseline(learned.schema(Task.MULTICLASS, "x"), answered(5000, 1, 0.8))
    found = judge(known, answered(5000, 2, 0.4))

    assert Verdict.DRIFT is found.verdict
    assert pytest.approx(0.74, abs=0.02) == found.metrics["estimated_accuracy"]
    assert pytest.approx(0.88, abs=0.02) == found.metrics["baseline_estimated_accuracy"]


def test_losses_that_nothing_tells_are_not_estimated() -> None:
    """Errors that are the same everywhere: the finding says that there is performance cannot be estimated."""
    rng = np.random.default_rng(0)
    label = rng.standard_normal(3000)
    rows = {"x": rng.standard_normal(3000), "y": rng.standard_normal(3000), "z": rng.standard_normal(3000)}
    known = learned.baseline(REGRESSION, {**rows, "label": label, "prediction": label + np.tile([-1.0, 1.0], 1500)})
    found = judge(known, missed(500, 1))

    assert (Verdict.NOT_ENOUGH, None) == (found.verdict, found.effect)
    assert "performance cannot be estimated" in found.reason


@pytest.mark.parametrize("rows", [scored(0, 1), scored(29, 1)])
def test_few_rows_are_not_judged(rows: dict[str, Any]) -> None:
    """No window, or a small one, and a segment that the baseline has never seen."""
    known = learned.baseline(BINARY, scored(500, 1))
    reference = estimated_performance.reference(known, "word=z", 2, sd=1.0)
    assert reference is not None
    unseen = estimated_performance.finding(reference, {}, learned.POLICY, level=LEVEL)
    counts = learned.counts(known, rows) if len(rows["label"]) else {}
    own = estimated_performance.reference(known, "", 2, sd=1.0)
    assert own is not None
    small = estimated_performance.finding(own, counts, learned.POLICY, level=LEVEL)

    assert Verdict.NOT_ENOUGH is unseen.verdict is small.verdict
    assert "the baseline has 0 predictions; 30 are needed" == unseen.reason
    assert f"the window has {len(rows['label'])} predictions; 30 are needed" == small.reason


def test_what_withholds_a_judgement_is_its_reason() -> None:
    """Figures are told, without effect and threshold."""
    known = learned.baseline(BINARY, scored(500, 1))
    reference = estimated_performance.reference(known, "", 2, sd=1.0)
    assert reference is not None
    found = estimated_performance.finding(
        reference, learned.counts(known, scored(500, 2)), learned.POLICY, level=0.1, withheld="no"
    )

    assert (Verdict.NOT_ENOUGH, None, None, "no") == (found.verdict, found.effect, found.threshold, found.reason)
    assert "estimated_log_loss" in found.metrics


def grid_of(rows: Mapping[str, Any]) -> ScoreCalibration:
    """Return the calibration learned from *rows*."""
    score = rows["prediction"]
    found = score_calibration.fit(score, np.arange(len(score)), rows["label"])
    assert found is not None
    return found


def test_isotonic_regression_is_scikit_learns() -> None:
    """On the grid's cells, weighted by their rows, and interpolated between them."""
    rows = scored(3000, 5, wide=0.5)
    cell = outcome_counts.score_bin(rows["prediction"])
    place = (np.arange(200) + 0.5) / 200
    found, blocks = score_calibration.isotonic(cell, rows["label"], place)
    peer = IsotonicRegression(out_of_bounds="clip").fit(place[cell], rows["label"])

    assert np.abs(found - peer.predict(place)).max() < 1e-9
    assert (np.diff(found) >= -1e-12).all()
    assert blocks[0] == 0
    assert set(np.diff(blocks)) <= {0, 1}


def test_scores_that_are_right_are_left_alone() -> None:
    """Calibrated only where that lowers the calibration error of rows it was not fitted to."""
    score = np.repeat([0.25, 0.75], 400)
    label = np.r_[np.tile([0.0, 0.0, 0.0, 1.0], 100), np.tile([1.0, 1.0, 1.0, 0.0], 100)]
    honest = score_calibration.fit(score, np.arange(800), label)

    assert honest is not None
    assert not honest.improved
    assert (250_000, 750_000) == (honest.chance[50], honest.chance[150])
    assert grid_of(scored(5000, 1)).improved


def test_the_loss_to_expect_of_golden_cells() -> None:
    """Pinned: half the rows at .5 and half at .9, labels as likely as the scores say."""
    score = np.repeat([0.5, 0.9], 1000)
    label = np.r_[np.tile([0.0, 1.0], 500), np.tile([0.0] + [1.0] * 9, 100)]
    found = score_calibration.fit(score, np.arange(2000), label)
    assert found is not None
    expected = found.expected(np.bincount(score_calibration.cell_index(score), minlength=score_calibration.CELLS))

    assert (693_147, 325_083) == (found.loss[100], found.loss[180])
    assert [2000, 0] == expected["coverage"].tolist()
    assert [1_018_230_000, 586_132_000] == expected["loss"].tolist()
    assert [500.0, 500.0, 100.0, 900.0] == expected["scores"][expected["scores"] > 0].round(6).tolist()


def test_a_loss_table_is_scikit_learns_ridge() -> None:
    """One column a cell, centred; the penalty is one of those that are tried."""
    rows = missed(4000, 6)
    bins = {name: freeze_numeric(rows[name], 5) for name in "xyz"}
    at = {name: b.index(rows[name], np.zeros(4000, bool)) for name, b in bins.items()}
    losses = (rows["prediction"] - rows["label"]) ** 2
    table = loss_estimator.fit(at, {name: b.cells for name, b in bins.items()}, losses, 900.0)
    columns = np.hstack([np.eye(bins[name].cells)[at[name]] for name in "xyz"])
    peers = [Ridge(alpha=a).fit(columns, losses).predict(columns) for a in loss_estimator.RIDGE_PENALTIES]
    told = table.base / 1e6 + sum(np.array(table.effects[name])[at[name]] for name in "xyz") / 1e6

    assert min(np.abs(told - peer).max() for peer in peers) < 1e-5


def test_a_table_has_columns_for_the_variables_that_tell_most() -> None:
    """With more cells than it may have, x is among those that are kept."""
    rng = np.random.default_rng(0)
    at = {f"n{i}": rng.integers(0, 30, 2000) for i in range(40)} | {"x": rng.integers(0, 30, 2000)}
    table = loss_estimator.fit(at, dict.fromkeys(at, 30), at["x"] / 30 + rng.random(2000), 5.0)

    assert "x" in table.effects
    assert loss_estimator.MAX_CELLS // 30 == len(table.effects)


def test_an_estimate_stays_within_what_a_loss_can_be() -> None:
    """Effects may add up to less than nothing, or to more than all."""
    table = DirectLossEstimator(
        base=500_000, most=1_000_000, effects={"a": (-900_000, 0), "b": (0, 900_000)}, errors={}
    )
    told = table.addends({"a": np.array([0, 1]), "b": np.array([0, 1])}, 2)

    assert [[1, 1], [0, 1_000_000], [0, 1_000_000]] == told.tolist()
