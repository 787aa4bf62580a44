"""Statistics of other systems in the power benchmark equal those of their own code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from river import drift
from scipy import stats

from benchmarks import tuned
from benchmarks.changes import Floats, count
from features.schema import FeatureKind
from monitors.compat import evidently, nannyml

ROWS, REFERENCE, AFTER = 100, 15, 4
NUMBERS = np.linspace(-4, 4, 81)
WORDS = np.arange(4.0)
ALL = (REFERENCE + AFTER) * ROWS


def cells(few: bool, seed: int = 0) -> tuple[np.ndarray, Floats]:
    """Return the cell of each row, (slices, rows), moved after the reference, and what the cells stand for."""
    rng = np.random.default_rng(seed)
    moved = 0.4 * (np.arange(REFERENCE + AFTER) >= REFERENCE)[:, None]
    if few:
        return (rng.random((REFERENCE + AFTER, ROWS)) ** (1 + moved) * 4).astype(np.int64), WORDS
    x = rng.gamma(2.0, size=(REFERENCE + AFTER, ROWS)) - 2 + moved
    return np.clip(np.round(x * 10).astype(np.int64) + 40, 0, 80), NUMBERS


@pytest.mark.parametrize("few", [False, True])
def test_evidentlys_distance_is_evidentlys(few: bool) -> None:
    """Slice by slice it is what the compat mode chooses and computes from the rows."""
    at, values = cells(few)
    rows = values[at]
    kind = FeatureKind.CATEGORICAL if few else FeatureKind.NUMERIC
    expected = [evidently.compare(rows[:REFERENCE].ravel(), now, kind).value for now in rows[REFERENCE:]]
    found = tuned.evidently(count(at[..., None], len(values)), values[None], REFERENCE)

    assert pytest.approx(expected, rel=1e-9) == found[:, 0].tolist()


@pytest.mark.parametrize("few", [False, True])
def test_nannymls_distance_is_nannymls(few: bool) -> None:
    """In sd of the reference's chunks it is what the compat mode's distance gives from the rows."""
    at, values = cells(few, seed=1)
    rows = values[at]
    away = nannyml.jensen_shannon(rows[:REFERENCE].ravel(), FeatureKind.CATEGORICAL if few else FeatureKind.NUMERIC)
    known = np.array([away(chunk) for chunk in rows[:REFERENCE]])
    expected = [(away(now) - known.mean()) / known.std() for now in rows[REFERENCE:]]
    counts = count(at[..., None], len(values))

    assert pytest.approx(expected, rel=1e-9) == tuned.nannyml(counts, values[None], np.array([few]), REFERENCE)[:, 0]


def test_a_metric_is_judged_by_its_distance_from_the_references_mean() -> None:
    """Two sd below count like two sd above."""
    metric = np.array([0.0, 2.0, 0.0, 2.0, 3.0, -1.0])

    assert [2.0, 2.0] == tuned.realised(metric, 4).tolist()


def test_columns_are_put_together_as_evidently_does() -> None:
    """Any column: the largest distance. Half of the columns: two of three, two of four."""
    three, four = np.array([[0.3, 0.1, 0.2]]), np.array([[0.3, 0.1, 0.2, 0.0]])

    assert [0.3] == tuned.any_column(three).tolist()
    assert [0.2] == tuned.half_of_columns(three).tolist()
    assert [0.1] == (tuned.half_of_columns(four) - 0.1).round(9).tolist()


def first_alarm(detector: drift.ADWIN | drift.PageHinkley, rows: Floats) -> float:
    """Return the row, from 1 on, at which one of River's detectors alarms first."""
    for i, x in enumerate(rows.tolist(), 1):
        detector.update(x)
        if detector.drift_detected:
            return i
    return math.inf


def streams() -> Floats:
    """Return six streams of 3,000 rows, numbers and zeros and ones, whose mean moves after 2,000 by less and less."""
    x = np.random.default_rng(2).normal(size=(3000, 6))
    x[2000:] += [2.0, 1.0, 0.5, 0.25, 0.1, 0.0]
    x[:, ::2] = x[:, ::2] > 0.8
    return x


@pytest.mark.parametrize("delta", [0.3, 0.01, 1e-5])
def test_adwins_statistic_tells_rivers_first_alarm(delta: float) -> None:
    """At any delta it passes the line in the row in which River's detector alarms."""
    rows = streams()
    expected = [first_alarm(drift.ADWIN(delta=delta), x) for x in rows.T]

    assert expected == [tuned.first(x, -math.log10(delta)) for x in tuned.adwin(rows, 1).T]


@pytest.mark.parametrize("threshold", [10.0, 40.0, 120.0])
@pytest.mark.parametrize("mode", ["up", "both"])
def test_page_hinkleys_statistic_tells_rivers_first_alarm(threshold: float, mode: str) -> None:
    """At any threshold it passes the line in the row in which River's detector alarms."""
    rows = streams()
    expected = [first_alarm(drift.PageHinkley(threshold=threshold, mode=mode), x) for x in rows.T]

    assert expected == [tuned.first(x, threshold) for x in tuned.page_hinkley(rows, 1, both=mode == "both").T]


def test_a_stretchs_number_is_the_largest_of_its_rows() -> None:
    """Slices hide no alarm."""
    rows = streams()[:, :2]

    for way in (tuned.adwin, tuned.page_hinkley):
        assert way(rows, 1).reshape(6, 500, 2).max(axis=1).tolist() == way(rows, 500).tolist()


def test_kswins_statistic_is_that_of_the_test_it_uses() -> None:
    """With equal old rows the sample does not matter: it is scipy's two-sample statistic, ties and all."""
    new = np.random.default_rng(3).integers(0, 9, 30).astype(float)
    rows = np.concatenate([np.full(70, 4.0), new])
    expected = stats.ks_2samp(np.full(30, 4.0), new).statistic * 30

    assert pytest.approx(expected) == tuned.kswin(rows, np.random.default_rng(0))[-1]


@pytest.mark.parametrize("k", [5, 12, 20])
def test_kswins_p_value_is_scipys(k: int) -> None:
    """For continuous rows, exactly."""
    ranks = np.arange(30.0)

    assert pytest.approx(stats.ks_2samp(ranks, ranks + k - 0.5, method="exact").pvalue) == tuned.kswin_p(k)


def test_the_short_way_for_zeros_and_ones_has_the_same_law() -> None:
    """Both ways sample 30 of 70 old rows, so their means agree."""
    rows = (np.random.default_rng(4).random(20_000) < 0.3).astype(float)
    short, long = (way(rows, np.random.default_rng(5))[99:] for way in (tuned.kswin_binary, tuned.kswin))

    assert pytest.approx(long.mean(), rel=0.02) == short.mean()


def test_cusum_starts_anew_wherever_it_would_fall_below_nothing() -> None:
    """It is Page's recursion ``max(0, W + llr)``."""
    llr = np.array([-1.0, 2.0, -0.5, -3.0, 1.0])

    assert [0.0, 2.0, 1.5, 0.0, 1.0] == tuned.cusum(llr).tolist()


def test_a_line_is_crossed_with_the_asked_chance() -> None:
    """Inside the runs seen it is their quantile, further out an exponential tail's."""
    line = tuned.Line(np.random.default_rng(6).exponential(size=20_000))

    assert pytest.approx(0.05, rel=0.1) == np.exp(-line.at(0.05))
    assert pytest.approx(-math.log(1e-5), rel=0.05) == line.at(1e-5)
