"""Slow memory: what many variables show together, and what a test of it must not be misled by."""

from __future__ import annotations

import numpy as np
import pytest

from monitors.sequential import seasonality, slow_memory, whitening
from monitors.sequential.slow_memory import SlowMemory
from monitors.stats.distance import Distances

SLICES, VARIABLES = 60, 20


def shocks(seed: int) -> Distances:
    """Return unit shocks, (slices, variables, series)."""
    return np.random.default_rng(seed).standard_normal((SLICES, VARIABLES, 2))


def examined(series: Distances, identity: str = "m") -> SlowMemory:
    """Return what is known of the slow memory of series after their whitening."""
    starts = np.arange(len(series)) * seasonality.WEEK  # no calendar
    return slow_memory.examine(*whitening.fit(series, starts, seasonality.WEEK), identity, merged=False)


def wandering(seed: int, phi: float = 0.95) -> Distances:
    """Return a level that wanders under as much noise."""
    level = shocks(seed)
    for t in range(1, SLICES):
        level[t] = phi * level[t - 1] + np.sqrt(1 - phi**2) * level[t]
    return level + shocks(seed + 100)


@pytest.mark.parametrize("seed", range(1, 4))
def test_independent_slices_are_not_doubted(seed: int) -> None:
    """Nor are those that an AR(1) explains, nor those that all have one factor in common; few panels in 100 are."""
    common = 2 * shocks(seed)[:, :1] + shocks(seed + 10)
    remembering = shocks(seed + 20)
    for t in range(1, SLICES):
        remembering[t] += 0.5 * remembering[t - 1]

    for series in (shocks(seed), common, remembering):
        known = examined(series)
        assert not (known.wandering | known.bursting).any()


@pytest.mark.parametrize("seed", range(3))
def test_levels_that_wander_are_doubted_together(seed: int) -> None:
    """All of them, though most would pass alone."""
    series = wandering(seed)
    alone = [examined(series[:, v : v + 1]).wandering.any() for v in range(VARIABLES)]

    assert examined(series).wandering.all()
    assert sum(alone) < VARIABLES * 3 / 4


def test_bursts_are_doubted_as_bursts() -> None:
    """Slices that vary three times as much in one third of the time: of volatility, not of a level."""
    series = shocks(4)
    series[20:40] *= 3
    known = examined(series)

    assert known.bursting.all()
    assert not known.wandering.any()


def test_the_worst_are_told_from_a_panel_that_is_good() -> None:
    """One statistic far from all permutations takes its variable out, a little in each of them takes all."""
    drawn = np.random.default_rng(5).standard_normal((slow_memory.DRAWS + 1, VARIABLES, 4))
    one, every = drawn.copy(), drawn.copy()
    one[0, 7, 2] = 10
    every[0] += 1

    assert [7] == np.flatnonzero(slow_memory.doubted(one, merged=False)).tolist()
    assert slow_memory.doubted(every, merged=False).all()
    assert not slow_memory.doubted(drawn, merged=False).any()


def test_fewer_variables_leave_more_open() -> None:
    """What one variable may hide is several times what twenty may."""
    series = shocks(7)
    one = np.mean([examined(series[:, v : v + 1]).possible for v in range(VARIABLES)])

    assert one > 2 * examined(series).possible


def test_the_same_baseline_is_judged_the_same() -> None:
    """Permutations follow from the identity, in whatever order variables come."""
    series, turned = shocks(8), shocks(8)[:, ::-1]

    assert examined(series).possible == pytest.approx(examined(turned).possible)
    assert examined(series).possible != examined(series, "n").possible


def test_slices_without_rows_are_no_memory() -> None:
    """A variable that is missing for a third of the time is as independent as it was."""
    series = shocks(9)
    series[10:30, ::2] = np.nan
    known = examined(series)

    assert np.isfinite(known.possible)
    assert not (known.wandering | known.bursting).any()
