"""Gate check of calibration: a challenger must not be clearly further from what happens than the champion.

A model can win on the mean loss and still say .9 where .6 happens, and whoever reads the probability is misled.

- Binary: the *expected calibration error* (ECE), the mean distance between predicted probability and share of label 1
  over bins of equally many rows, each model's bins by its own predictions.
- Regression: the absolute *mean bias*, in standard deviations of the label: the same with a single bin.
- Multiclass: predictions are classes, without probabilities, so there is nothing to measure.

Both are biased upwards by noise, for both models alike; so only the difference is tested, on slices of time, with the
interval that the comparison of losses uses (:mod:`retrain_flows.gate.slice_window`).

References
----------
Naeini, Cooper and Hauskrecht (2015), "Obtaining well calibrated probabilities using Bayesian binning", AAAI (ECE).
Nguyen and O'Connor (2015), "Posterior calibration and exploratory analysis for natural language processing models",
EMNLP (bins of equally many rows).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.schema import EventSchema, Task
from features.scoring import LARGEST_ERROR, Floats, Values
from registry.records import Check, CheckResult
from retrain_flows.config import Gate
from retrain_flows.data.dataset import Dataset
from retrain_flows.gate import slice_sums, slice_window

BINS = 10
"""Bins of a probability, as in the papers: with the 500 rows that a gate needs by default, 50 rows a bin."""
LEVEL = 0.01
"""Chance at most that a challenger is refused whose calibration is worse by the margin, or by less."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two models' predictions, (rows,), for the same rows; *sd* is that of the label (regression)."""

    rows: Dataset
    challenger: Values
    champion: Values
    sd: float = 1.0
    history: Floats | None = None


def check(pair: Pair, schema: EventSchema, policy: Gate) -> Check:
    """FAIL if the challenger's calibration error is higher by more than the margin, beyond what noise explains.

    Parameters
    ----------
    pair
        The predictions. *history* is a value a slice of the past, (slices,), from which the memory of slices is
        learned; without one the least favourable memory is assumed.
    schema
        The schema of the model's events, which says what a slice is.
    policy
        The section `retrain.gate` of the project file.
    """
    task = pair.rows.task
    want = (
        f"its calibration error is not higher by more than {policy.calibration_margin:g} with {1 - LEVEL:.0%} certainty"
    )
    if task is Task.MULTICLASS:
        return _passing("not measured: predictions are classes, without probabilities", want)
    mine, theirs = (deviations(task, own, pair.rows.target, pair.sd) for own in (pair.challenger, pair.champion))
    rise = mine - theirs
    numbers = {"error": float(mine.mean()), "champion_error": float(theirs.mean()), "rise": float(rise.mean())}
    name, unit = ("mean bias", " sd") if task is Task.REGRESSION else ("expected calibration error", "")
    got = f"{name} {numbers['error']:.4f}{unit} against {numbers['champion_error']:.4f}{unit}"
    _, sums, rows = slice_sums.by_slice(rise - policy.calibration_margin, pair.rows.times, schema.windows)
    looked = slice_window.window(sums, rows.astype(np.float64), pair.history)
    if looked is None:
        return _passing(f"{got}; {len(sums)} slices, a comparison needs {slice_window.MIN_SLICES}", want, **numbers)
    shown = looked.shifted(policy.calibration_margin)
    got += f", difference {slice_window.in_words(shown)}"
    result = CheckResult.FAIL if looked.worse <= LEVEL else CheckResult.PASS
    return Check(name="calibration", result=result, got=got, want=want, numbers=numbers)


def _passing(got: str, want: str, **numbers: float) -> Check:
    return Check(name="calibration", result=CheckResult.PASS, got=got, want=want, numbers=numbers)


def deviations(task: Task, answers: Values, target: Values, sd: float = 1.0) -> Floats:
    """Return a value a row, (rows,), whose mean is the calibration error.

    It is the prediction minus the label, with the sign of its bin's mean: so the error is a mean over rows and can be
    compared slice by slice.

    Parameters
    ----------
    task
        Binary or regression.
    answers
        Predictions, (rows,): probabilities of label 1, or values.
    target
        Labels, (rows,).
    sd
        Standard deviation of the label (regression): the unit. Errors are cut off as in the loss.

    Examples
    --------
    >>> p, y = np.array([0.1, 0.1, 0.9, 0.9]), np.array([0.0, 0.0, 1.0, 0.0])
    >>> round(float(deviations(Task.BINARY, p, y).mean()), 3)  # .1 where 0 of 2 happen, .9 where 1 of 2 does
    0.25
    >>> float(deviations(Task.REGRESSION, np.array([1.0, 3.0]), np.array([2.0, 3.0]), sd=2.0).mean())
    0.25
    """
    predicted, labels = answers.astype(np.float64), target.astype(np.float64)
    if task is Task.REGRESSION:
        errors, bins = (
            np.clip((predicted - labels) / sd, -LARGEST_ERROR, LARGEST_ERROR),
            np.zeros(len(labels), np.int64),
        )
    else:
        errors, bins = predicted - labels, _bins(predicted)
    return np.asarray(errors * np.sign(np.bincount(bins, weights=errors))[bins], dtype=np.float64)


def _bins(predicted: Floats) -> slice_sums.Ints:
    """Return the bin of each row, (rows,), of about equally many rows each; equal predictions share a bin."""
    edges = np.unique(np.quantile(predicted, np.arange(1, BINS) / BINS))
    return np.asarray(np.searchsorted(edges, predicted, side="left"), dtype=np.int64)
