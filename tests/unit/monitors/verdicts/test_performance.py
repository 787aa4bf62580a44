"""Performance verdicts: threshold by sampling and by the baseline's own rises, and few labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from features.schema import Task
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Verdict
from monitors.profiles.outcome_counts import LOSS_UNIT
from monitors.stats.bins import Counts
from monitors.verdicts import performance

POLICY = MonitorPolicy()
ERRORS = Task.MULTICLASS  # its metrics need nothing but loss and coverage


def slices(values: npt.NDArray[np.float64]) -> dict[str, Counts]:
    """Return the outcome cells of each row of losses."""
    units = np.rint(values / LOSS_UNIT).astype(np.int64)
    rows = np.full(len(values), values.shape[1], np.int64)
    sums = np.column_stack([units.sum(axis=1), np.rint(values**2 / LOSS_UNIT).astype(np.int64).sum(axis=1)])
    return {"coverage": np.column_stack([rows, 0 * rows]), "loss": sums}


def judged(known: performance.LossReference, values: npt.NDArray[np.float64], unlabelled: int = 0) -> Finding:
    """Return the finding on a window of these losses, at 1 in 200."""
    cells = {name: c[0].tolist() for name, c in slices(values.reshape(1, -1)).items()}
    cells["coverage"][1] = unlabelled
    return performance.finding(ERRORS, known, cells, POLICY, level=0.005)


def even(seed: int, count: int, rows: int, level: float = 1.0) -> npt.NDArray[np.float64]:
    """Return squared standard normal errors times *level*."""
    values: npt.NDArray[np.float64] = level * np.random.default_rng(seed).standard_normal((count, rows)) ** 2
    return values


def test_the_line_is_exact_for_squared_normal_errors() -> None:
    """The mean of n squared errors is chi-square with n degrees of freedom over n, and so is the gamma."""
    known = performance.LossReference(rows=10**9, mean=1.0, variance=2.0)
    for n in (30, 1000):
        assert pytest.approx(stats.chi2.isf(0.005, n) / n - 1, rel=1e-4) == known.line(n, 0.005)


def test_the_line_is_normal_for_many_rows() -> None:
    """With many rows it is the z-test's, the baseline's own noise included."""
    known = performance.LossReference(rows=100_000, mean=0.5, variance=0.3)
    z = stats.norm.isf(0.005) * np.sqrt(0.3 * (1 / 100_000 + 1 / 100_000)) / 0.5
    assert pytest.approx(z, rel=0.01) == known.line(100_000, 0.005)


def test_a_worse_model_is_found() -> None:
    """A loss half as high again is told with its size, its line and both metrics."""
    found = judged(performance.reference(ERRORS, slices(even(1, 30, 100)), 5), even(2, 1, 1000, 1.5), unlabelled=250)
    assert (Verdict.DRIFT, "loss_increase", 1000, 3000) == (found.verdict, found.metric, found.n, found.baseline_n)
    assert pytest.approx(0.5, abs=0.1) == found.effect
    assert (0.8, 1.0) == (found.metrics["coverage"], found.metrics["baseline_coverage"])


def test_a_better_model_is_no_alarm() -> None:
    """The question is one-sided."""
    known = performance.reference(ERRORS, slices(even(1, 30, 100)), 5)
    assert Verdict.STEADY is judged(known, even(2, 1, 1000, 0.5)).verdict


def test_a_rise_too_small_to_tell_is_steady() -> None:
    """A sure rise of 1 % is below the policy's least."""
    known = performance.LossReference(rows=10**9, mean=1.0, variance=0.01)
    found = judged(known, np.full(10**5, 1.01))
    assert (Verdict.STEADY, POLICY.min_loss_increase) == (found.verdict, found.threshold)


def test_few_labels_are_not_enough() -> None:
    """The reason says how many of how many, and how many are needed; so does a baseline that is too short."""
    known = performance.reference(ERRORS, slices(even(1, 30, 100)), 5)
    found = judged(known, even(2, 1, 12), unlabelled=288)
    assert (Verdict.NOT_ENOUGH, None) == (found.verdict, found.effect)
    assert "only 12 of 300 predictions have labels; 30 are needed" == found.reason
    short = performance.reference(ERRORS, slices(even(1, 1, 29)), 5)
    assert "the baseline has 29 labelled predictions; 30 are needed" == judged(short, even(2, 1, 500)).reason


def test_an_empty_baseline_is_a_result() -> None:
    """No slices, or slices without a label: not enough evidence, no exception, no NaN."""
    for cells in (np.zeros((0, 0), np.int64), np.zeros((3, 2), np.int64)):
        found = judged(performance.reference(ERRORS, {"coverage": cells, "loss": cells}, 1), even(2, 1, 100))
        assert Verdict.NOT_ENOUGH is found.verdict


def test_a_baseline_without_loss_can_be_left() -> None:
    """A model that never erred and now errs in 5 % of rows has drifted, by a finite effect; one slip is no drift."""
    known = performance.reference(ERRORS, slices(np.zeros((10, 100))), 1)
    slip, broken = np.zeros(1000), np.repeat([0.0, 1.0], [950, 50])
    slip[0] = 1.0
    assert [Verdict.STEADY, Verdict.DRIFT] == [judged(known, x).verdict for x in (slip, broken)]


def test_a_restless_baseline_raises_the_line() -> None:
    """Where the loss differs from window to window, the line at 1 in 10,000 is beyond chance and the worst of 60."""
    level = 1 + 0.2 * np.random.default_rng(3).standard_normal((60, 1))
    restless, calm = (performance.reference(ERRORS, slices(x), 1) for x in (even(1, 60, 500) * level, even(1, 60, 500)))
    assert restless.line(500, 1e-4) > restless.rises.max() > 1.2 * calm.line(500, 1e-4)


def test_an_odd_day_of_the_baseline_is_no_news() -> None:
    """A rise as large as the baseline's worst window had is not told."""
    values = even(1, 60, 500)
    values[7] *= 3
    known = performance.reference(ERRORS, slices(values), 1)
    assert pytest.approx(known.rises.max(), abs=1e-6) == judged(known, even(4, 1, 500)).threshold


def test_a_short_baseline_is_judged_by_its_slices() -> None:
    """Below two windows' worth of slices their own differences, averaged over a window, stand in for its runs'."""
    level = np.exp(0.3 * np.random.default_rng(3).standard_normal((6, 1)))
    one, six = (performance.reference(ERRORS, slices(even(1, 6, 500) * level), length) for length in (4, 6))
    assert pytest.approx(one.excess * 4) == six.excess * 6
    assert one.excess > 0


@pytest.mark.parametrize("errors", [False, True])
def test_steady_windows_alarm_as_seldom_as_asked(errors: bool) -> None:
    """At 1 in 200, windows of skewed losses exceed the line at most twice as often."""
    rng = np.random.default_rng(11)

    def draw(*shape: int) -> npt.NDArray[np.float64]:
        p = 1 / (1 + np.exp(-1.5 * rng.standard_normal(shape)))
        wrong = rng.random(shape) > p
        return np.asarray(wrong if errors else -np.log(np.where(wrong, 1 - p, p)), dtype=np.float64)

    hits = 0
    for _ in range(20):
        known = performance.reference(ERRORS, slices(draw(60, 100)), 1)
        hits += int((draw(1000, 100).mean(axis=1) / known.mean - 1 > known.line(100, 0.005)).sum())
    assert 0 < hits / 20_000 < 0.01
