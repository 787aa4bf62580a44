"""TFDV's statistics on vectors from hand and from its own tests; `tests/integration` runs its core."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import NotEnoughData
from features.schema import FeatureKind
from monitors.compat import tfdv
from monitors.compat.histogram import Histogram, histogram

INF = np.inf
ONE = Histogram(((1, 2, 4),))


def bits(*shares: tuple[float, float]) -> float:
    """Return the divergence in bits of pairs of shares, written out."""
    total = 0.0
    for p, q in shares:
        m = (p + q) / 2
        total += (p * np.log2(p / m) if p else 0) + (q * np.log2(q / m) if q else 0)
    return total / 2


GOLDEN = {
    # From TFDV's metrics_test.cc, with the values that stand there.
    "other borders": (Histogram(((1, 2, 2), (2, 3, 2))), Histogram(((2, 4, 2), (4, 6, 2))), 0.65563906222),
    "nothing in common": (Histogram(((0, 1, 2), (1, 2, 2))), Histogram(((3, 4, 2), (4, 6, 2))), 1),
    "a point apart": (Histogram(((1, 1, 4),)), Histogram(((2, 4, 2), (4, 6, 2))), 1),
    "two points": (Histogram(((1, 1, 4),)), Histogram(((2, 2, 4),)), 1),
    "a point within": (Histogram(((10, 10, 21),)), Histogram(((0, 4, 150), (4, 12, 200), (12, 20, 20))), 1),
    "nan on one side": (Histogram(((1, 2, 3),), nan=1), ONE, 0.13792538096),
    # By hand.
    "the same": (ONE, ONE, 0),
    "scaled": (ONE, Histogram(((1, 2, 400),)), 0),
    "equal points": (
        Histogram(((1, 1, 4), (1, 2, 4))), Histogram(((1, 1, 1), (1, 2, 3))), bits((0.5, 0.25), (0.5, 0.75)),
    ),
    "split evenly": (ONE, Histogram(((1, 1.25, 1), (1.25, 2, 3))), 0),
    "one within": (Histogram(((0, 4, 4),)), Histogram(((1, 2, 4),)), bits((0.25, 0), (0.25, 1), (0.5, 0))),
    "equal nan is different": (Histogram(((1, 2, 3),), nan=1), Histogram(((1, 2, 3),), nan=1), 0.25),
    "nan is lost among other borders": (
        Histogram(((1, 3, 2),), nan=2), Histogram(((1, 2, 3),), nan=1), bits((0.5, 1), (0.5, 0)),
    ),
    "equal infinities are different": (
        Histogram(((1, 2, 3), (INF, INF, 1))), Histogram(((1, 2, 3), (INF, INF, 1))), 0.25,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_the_divergence_of_histograms(name: str) -> None:
    """Bits, not rooted, at most 1, on cut buckets; in either direction."""
    reference, current, expected = GOLDEN[name]

    assert pytest.approx(expected, abs=1e-10) == tfdv.jensen_shannon_divergence(reference, current)
    assert pytest.approx(expected, abs=1e-10) == tfdv.jensen_shannon_divergence(current, reference)


def test_an_empty_histogram_has_no_divergence() -> None:
    """As in TFDV, which measures nothing."""
    for empty in (Histogram(()), Histogram(((0, 4, 0),))):
        with pytest.raises(NotEnoughData, match="an empty histogram"):
            tfdv.jensen_shannon_divergence(empty, ONE)


def test_differences_of_categories_by_hand() -> None:
    """L-infinity of shares (TFDV's own two vectors), and of counts over all counts."""
    assert pytest.approx(0.2) == tfdv.infinity_norm({"hello": 1, "world": 9}, {"hello": 3, "world": 7})
    assert pytest.approx(0.3) == tfdv.infinity_norm({"b": 9, "c": 1}, {"a": 3, "b": 7})
    assert pytest.approx(90 / 120) == tfdv.normalized_abs_difference({"a": 100, "b": 10}, {"a": 10})
    assert pytest.approx(bits((0.5, 0.75), (0.5, 0.25))) == tfdv.categorical_divergence(
        {"a": 4, "b": 4}, {"a": 3, "b": 1}
    )
    with pytest.raises(NotEnoughData, match="a side without values"):
        tfdv.infinity_norm({}, {"a": 1})


def test_only_the_thousand_most_frequent_categories_count() -> None:
    """Of equally frequent ones the last in the alphabet stay."""
    values = np.array([f"{i:04}" for i in range(1001)] + ["0000"], object)

    kept = tfdv.rank_histogram(values)

    assert (1000, 2.0) == (len(kept), kept["0000"])
    assert "0001" not in kept


def test_a_histogram_is_guessed_from_quantiles() -> None:
    """Eleven values 0 to 10: each of the 1,000 ranks takes a value, the mass between two is spread evenly.

    The least value's own mass lies in the stretch after it, or on it if it repeats.
    """
    found = histogram(np.arange(11.0))

    assert [(float(i), float(i + 1)) for i in range(10)] == [b[:2] for b in found.buckets]
    assert pytest.approx(11) == sum(count for _, _, count in found.buckets)
    assert [pytest.approx((5, 5, 3))] == list(histogram(np.full(3, 5.0)).buckets)


def test_infinite_values_and_nan_stand_beside_the_buckets() -> None:
    """Ten finite buckets between one for each infinity; alone they are one bucket without a place."""
    found = histogram(np.array([-INF, 0.0, 1.0, INF, INF, np.nan]))

    assert [(-INF, -INF, 1.0), (INF, INF, 2.0), 1.0] == [found.buckets[0], found.buckets[-1], found.nan]
    assert pytest.approx(2) == sum(count for _, _, count in found.buckets[1:-1])
    assert (Histogram(((INF, -INF, 1.0),)), Histogram((), nan=2.0)) == (
        histogram(np.array([INF])), histogram(np.array([np.nan] * 2)),
    )  # fmt: skip


def test_there_is_no_verdict_without_a_threshold() -> None:
    """TFDV has no default; more than a given one is drift."""
    sides = np.array(["a", "b"], object), np.array(["a"], object)

    assert (0.5, None, None) == measured(*sides)
    assert (0.5, 0.5, False) == measured(*sides, threshold=0.5)
    assert (0.5, 0.49, True) == measured(*sides, threshold=0.49)


def measured(reference: Any, current: Any, **options: float) -> tuple[float, float | None, bool | None]:
    """Return value, threshold and verdict on a column of categories."""
    found = tfdv.compare(reference, current, FeatureKind.CATEGORICAL, **options)
    return found.value, found.threshold, found.drifted


LABELS = st.lists(st.sampled_from("abcde"), min_size=1, max_size=60).map(lambda v: np.array(v, object))
NUMBERS = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60).map(np.array)


@given(NUMBERS, NUMBERS, st.randoms(use_true_random=False))
def test_the_divergence_keeps_its_promises(p: np.ndarray, q: np.ndarray, random: Any) -> None:
    """Between 0 and 1, symmetric, 0 for equal sides, whatever the order of rows."""
    mixed = np.array(random.sample(p.tolist(), len(p)))
    there, back, same, again = (
        tfdv.compare(*sides, FeatureKind.NUMERIC).value for sides in ((p, q), (q, p), (p, mixed), (mixed, q))
    )

    assert 0 <= there <= 1
    assert pytest.approx(0, abs=1e-9) == same
    assert pytest.approx(there, abs=1e-9) == back
    assert there == again


@given(NUMBERS)
def test_a_histogram_holds_every_value(values: np.ndarray) -> None:
    """Its counts add up to the number of values, and none is negative."""
    found = histogram(values)

    assert pytest.approx(len(values)) == sum(count for _, _, count in found.buckets)
    assert all(count > -1e-9 for _, _, count in found.buckets)


@given(LABELS, LABELS)
def test_differences_of_categories_keep_their_promises(p: np.ndarray, q: np.ndarray) -> None:
    """Between 0 and 1, symmetric, and 0 for equal sides, by every comparator."""
    for method in tfdv.METHODS:
        there, back, same = (
            tfdv.compare(*sides, FeatureKind.CATEGORICAL, method=method).value for sides in ((p, q), (q, p), (p, p))
        )
        assert 0 <= there <= 1
        assert pytest.approx(back, abs=1e-9) == there
        assert pytest.approx(0, abs=1e-9) == same
