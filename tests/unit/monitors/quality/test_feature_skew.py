"""Skew of features as a fault: beyond the policy, beyond chance, and beyond what the baseline had."""

from __future__ import annotations

import numpy as np
import pytest

from monitors.config import MonitorPolicy
from monitors.quality import feature_skew
from monitors.quality.fault import FaultKind
from monitors.quality.feature_skew import SkewCounts

POLICY = MonitorPolicy()


def counts(n: int, different: int) -> SkewCounts:
    """Return the sample of one feature."""
    return SkewCounts({"x": n}, {"x": different})


@pytest.mark.parametrize(
    ("seen", "baseline", "is_fault"),
    [((200, 0), (2800, 0), False), ((200, 2), (0, 0), False), ((200, 3), (0, 0), True), ((200, 40), (2800, 0), True),
     ((200, 40), (2800, 560), False), ((200, 90), (2800, 560), True), ((29, 29), (2800, 0), False)],
)  # fmt: skip
def test_what_is_a_fault(seen: tuple[int, int], baseline: tuple[int, int], is_fault: bool) -> None:
    """More than a share of the rows, than chance makes of the baseline's share, and in enough rows."""
    faults = list(feature_skew.faults(counts(*seen), counts(*baseline), POLICY, 1e-5))

    assert [(FaultKind.SKEW, ("x",))] * is_fault == [(fault.kind, fault.variables) for fault in faults]


def test_chance_alone_makes_a_fault_no_more_often_than_its_level() -> None:
    """Of a baseline and slices with one share of differing rows, whatever that is."""
    rng, level, faults, looks = np.random.default_rng(1), 0.02, 0, 4000
    for share in rng.choice([0.01, 0.1, 0.5], looks):
        baseline, seen = counts(1000, rng.binomial(1000, share)), counts(200, rng.binomial(200, share))
        faults += any(feature_skew.faults(seen, baseline, POLICY.model_copy(update={"max_skew": 0.0}), level))

    assert faults <= level * looks


def test_a_feature_that_is_not_logged_is_not_judged() -> None:
    """It has no rows; others of the same sample are judged."""
    seen = counts(200, 50).plus(SkewCounts({"y": 0}, {"y": 0}))

    assert [("x",)] == [fault.variables for fault in feature_skew.faults(seen, SkewCounts(), POLICY, 1e-5)]


def test_the_share_of_a_policy_is_part_of_its_digest_only_where_it_is_set() -> None:
    """A policy without it keeps the digest that it had before."""
    assert "max_skew" not in POLICY.model_dump()
    assert 0.05 == MonitorPolicy(max_skew=0.05).model_dump()["max_skew"]
