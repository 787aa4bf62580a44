"""Late labels: a difference from those in time is said, and chance is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from leeway.check.late_labels import difference

LATE = np.arange(900) >= 600


def test_classes_that_are_known_sooner_than_others() -> None:
    """Cancelled orders are known soon: most labels in time are of them, few late ones."""
    rng = np.random.default_rng(1)
    labels = pd.Series(np.where(rng.random(900) < np.where(LATE, 0.3, 0.6), "cancelled", "kept"))
    assert difference(labels, LATE).startswith("they are others: label kept in 69% of them, in 39% of those")


def test_numbers_that_are_known_sooner_than_others() -> None:
    """Their means are named."""
    labels = pd.Series(np.random.default_rng(2).normal(size=900) + 2.0 * LATE)
    assert difference(labels, LATE).startswith("they are others: mean 2.0")


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_said_of_labels_that_do_not_differ(seed: int) -> None:
    """Numbers, two classes and one class: a test at .001 is wrong in one of a thousand."""
    rng = np.random.default_rng(seed)
    assert "" == difference(pd.Series(rng.normal(size=900)), LATE)
    assert "" == difference(pd.Series(rng.choice(["a", "b"], 900)), LATE)
    assert "" == difference(pd.Series(["a"] * 900), LATE)


def test_too_few_say_nothing() -> None:
    """A handful of late labels may be others by chance."""
    labels = pd.Series(["a"] * 880 + ["b"] * 20)
    assert "" == difference(labels, np.arange(900) >= 880)


def test_missing_labels_are_no_difference() -> None:
    """Nor do they hide one: numbers and classes are compared without them."""
    rng = np.random.default_rng(4)
    numbers, classes = pd.Series(rng.normal(size=900)), pd.Series(rng.choice(["a", "b"], 900))
    numbers[LATE & (np.arange(900) % 2 == 0)], classes[::3] = np.nan, None
    assert ("", "") == (difference(numbers, LATE), difference(classes, LATE))
    assert difference(numbers + 2.0 * LATE, LATE).startswith("they are others: mean 1.9")
