"""NannyML's statistics by its published formulas, worked out by hand; `tests/integration` runs the library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import DataError, NotEnoughData
from features.schema import FeatureKind
from monitors.compat import nannyml

HALVES = np.array(["a"] * 5 + ["b"] * 5, object)


def of(method: str, reference: Any, current: Any, kind: FeatureKind = FeatureKind.CATEGORICAL) -> float:
    """Return the value of *method* alone."""
    return nannyml.METHODS[method].fit(np.asarray(reference), kind)(np.asarray(current))


def test_categories_by_hand() -> None:
    """Half and half against four to one, and a new category that shares one cell with every other new one.

    js: m = (.65, .35), the root of (.5 log2(.5/.65) + .5 log2(.5/.35) + .8 log2(.8/.65) + .2 log2(.2/.35)) / 2.
    """
    current = np.array(["a"] * 8 + ["b"] * 2, object)
    bits = 0.5 * np.log2(0.5 / 0.65) + 0.5 * np.log2(0.5 / 0.35) + 0.8 * np.log2(0.8 / 0.65) + 0.2 * np.log2(0.2 / 0.35)

    assert pytest.approx(np.sqrt(bits / 2), rel=1e-7) == of("jensen_shannon", HALVES, current)
    assert pytest.approx(np.sqrt(1 - np.sqrt(0.4) - np.sqrt(0.1)), rel=1e-7) == of("hellinger", HALVES, current)
    assert pytest.approx(0.3) == of("l_infinity", HALVES, current)
    new = np.array(["c", "d"], object)
    assert [1.0, 1.0, 0.5] == [of(method, HALVES, new) for method in ("jensen_shannon", "hellinger", "l_infinity")]


def test_chi2_is_the_contingency_table_with_yates() -> None:
    """(5, 5) against (9, 1): n (|ad - bc| - n/2)^2 over the margins is 20 (40 - 10)^2 / (10 10 14 6)."""
    current = np.array(["a"] * 9 + ["b"], object)

    found = nannyml.compare(HALVES, current, FeatureKind.CATEGORICAL, method="chi2", threshold=0.0)

    assert pytest.approx(18_000 / 8_400) == found.value
    assert (None, False) == (found.threshold, found.drifted)
    assert pytest.approx(0.1432, abs=1e-4) == found.p_value


def test_numbers_by_hand() -> None:
    """KS and Wasserstein of two numbers against two others; what lies beyond the reference's bins is one cell more."""
    assert 0.5 == of("kolmogorov_smirnov", [1.0, 2.0], [2.0, 3.0], FeatureKind.NUMERIC)
    assert 1.0 == of("wasserstein", [1.0, 2.0], [2.0, 3.0], FeatureKind.NUMERIC)
    within = np.linspace(0, 1, 50)
    assert [1.0, 1.0] == [
        of(m, within, [-9.0, 9.0, np.inf], FeatureKind.NUMERIC) for m in ("jensen_shannon", "hellinger")
    ]


@pytest.mark.parametrize("method", ["kolmogorov_smirnov", "wasserstein"])
def test_a_large_reference_is_binned(method: str) -> None:
    """From 10,000 values on the numbers are estimates on 10,000 bins, close to the exact ones but not the same."""
    rng = np.random.default_rng(5)
    reference, current = rng.normal(size=10_000), rng.normal(0.3, 1.5, 400)
    exact = of(method, reference[:-1], current, FeatureKind.NUMERIC)

    estimate = of(method, reference, current, FeatureKind.NUMERIC)

    assert pytest.approx(exact, rel=0.02) == estimate
    assert exact != estimate


def test_the_threshold_is_three_sd_above_the_references_own_chunks() -> None:
    """Ten chunks and one of the rows left over, missing ones among the rows; a chunk without values has no say."""
    rng = np.random.default_rng(3)
    reference = rng.normal(size=107)
    reference[20:30] = np.nan
    away = nannyml.kolmogorov_smirnov(reference[~np.isnan(reference)])
    chunks = [reference[i : i + 10] for i in range(0, 107, 10) if i != 20]
    own = [away(chunk) for chunk in chunks]

    found = nannyml.compare(reference, rng.normal(size=50), FeatureKind.NUMERIC, method="kolmogorov_smirnov")

    assert (7, 10) == (len(chunks[-1]), len(chunks))
    assert pytest.approx(np.mean(own) + 3 * np.std(own)) == found.threshold


def test_a_ks_threshold_is_no_more_than_1() -> None:
    """A statistic cannot exceed 1, and so its threshold does not either; then nothing ever alerts."""
    reference = np.repeat(np.arange(10.0), 3)

    found = nannyml.compare(reference, np.array([99.0]), FeatureKind.NUMERIC, method="kolmogorov_smirnov")

    assert (1.0, 1.0, False) == (found.value, found.threshold, found.drifted)


def test_current_rows_without_values_never_alert() -> None:
    """There is no number then, and NannyML says no."""
    found = nannyml.compare(np.arange(50.0), np.array([np.nan]), FeatureKind.NUMERIC)
    chi2 = nannyml.compare(HALVES, np.array([None], object), FeatureKind.CATEGORICAL, method="chi2")

    assert (True, False) == (np.isnan(found.value), found.drifted)
    assert (True, False) == (np.isnan(chi2.value), chi2.drifted)


def test_what_nannyml_refuses_is_refused() -> None:
    """A reference without values, with fewer rows than chunks, or with infinite numbers to lay bins over."""
    with pytest.raises(NotEnoughData, match="no values"):
        nannyml.compare(np.array([np.nan]), np.arange(5.0), FeatureKind.NUMERIC)
    with pytest.raises(NotEnoughData, match="9 reference rows cannot be cut into 10 chunks"):
        nannyml.compare(np.arange(9.0), np.arange(5.0), FeatureKind.NUMERIC)
    with pytest.raises(DataError, match="infinite numbers"):
        nannyml.compare(np.array([0.0, np.inf]), np.arange(5.0), FeatureKind.NUMERIC)


LABELS = st.lists(st.sampled_from("abcde"), min_size=10, max_size=60).map(lambda v: np.array(v, object))
NUMBERS = st.lists(st.integers(-50, 50).map(float), min_size=10, max_size=60).map(np.array)


def number(value: float) -> float:
    """Return *value*, or 0 for the nan that rounding makes of js where sides are as good as equal."""
    return 0.0 if np.isnan(value) else value


@given(NUMBERS, NUMBERS, st.randoms(use_true_random=False))
def test_the_order_of_current_rows_is_nothing(p: np.ndarray, q: np.ndarray, random: Any) -> None:
    """Shuffled current rows give the same number and threshold; that of the reference cuts other chunks."""
    mixed = np.array(random.sample(q.tolist(), len(q)))
    for method in [m for m, known in nannyml.METHODS.items() if FeatureKind.NUMERIC in known.kinds]:
        first, again = (nannyml.compare(p, side, FeatureKind.NUMERIC, method=method) for side in (q, mixed))
        assert pytest.approx(number(first.value), rel=1e-9, abs=1e-7) == number(again.value)
        assert first.threshold == again.threshold


@given(LABELS, LABELS)
def test_distances_keep_their_bounds(p: np.ndarray, q: np.ndarray) -> None:
    """Every distance of categories lies between 0 and 1, and is 0 for equal sides."""
    for method in ("jensen_shannon", "hellinger", "l_infinity"):
        assert 0 <= number(of(method, p, q)) <= 1 + 1e-9
        assert pytest.approx(0, abs=1e-7) == number(of(method, p, p))


@given(LABELS, LABELS)
def test_same_categories_on_both_sides_make_it_symmetric(p: np.ndarray, q: np.ndarray) -> None:
    """L-infinity always is; js and hellinger where no category is new, since new ones share a cell."""
    p, q = np.append(p, list("abcde")), np.append(q, list("abcde"))
    for method in ("jensen_shannon", "hellinger", "l_infinity"):
        assert pytest.approx(number(of(method, q, p)), abs=1e-7) == number(of(method, p, q))
