"""Whitening of slices: calendar and autocorrelation are removed, and it is reported where that is not enough."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from monitors.sequential import seasonality, whitening
from monitors.sequential.seasonality import DAY, HOUR, WEEK

Floats = npt.NDArray[np.float64]


def starts(n: int, slide: int = DAY) -> npt.NDArray[np.int64]:
    """Return the starts of *n* slices from a Monday on."""
    return 4 * DAY + slide * np.arange(n)


def ar(n: int, phi: float, seed: int, series: int = 1) -> Floats:
    """Return AR(1) *series* (n, series), stationary."""
    shocks = np.random.default_rng(seed).standard_normal((n + 200, series))
    out: Floats = signal.lfilter([1.0], [1.0, -phi], shocks, axis=0)[200:]
    return out


def levels(reference: Floats, key: npt.NDArray[np.int64]) -> Floats:
    """Return every slice less the mean of the others of its key, the long way."""
    others = [reference[(key == k) & (np.arange(len(key)) != i)] for i, k in enumerate(key)]
    return reference - np.array([o.mean(axis=0) for o in others])


@pytest.mark.parametrize(
    ("calendar", "slide", "n"),
    [("weekday", DAY, 28), ("", DAY, 27), ("hour of the week", HOUR, 672), ("hour of the day", HOUR, 96),
     ("", HOUR, 95), ("weekday", 2 * DAY, 28), ("", WEEK, 500), ("", DAY, 0)],
)  # fmt: skip
def test_the_finest_calendar_that_the_reference_covers(calendar: str, slide: int, n: int) -> None:
    """Every key four times at least, or a coarser calendar, or none."""
    assert calendar == seasonality.choose(starts(n, slide), slide)


def test_a_quarter_of_an_hour_knows_its_hour() -> None:
    """Slices below an hour share the key of their hour."""
    made = seasonality.keys("hour of the day", starts(8, HOUR // 4), HOUR // 4)

    assert [0] * 4 + [1] * 4 == made.tolist()


def test_a_reference_slice_is_compared_with_the_others_of_its_weekday() -> None:
    """Leave one out, then an AR(1) residual; the first one is scaled to the size of the others."""
    reference = np.random.default_rng(1).standard_normal((40, 2)) + 1000 * (np.arange(40) % 7)[:, None]
    whitener, residuals = whitening.fit(reference, starts(40), DAY)
    level = levels(reference, np.arange(40) % 7)

    assert level[1:] - whitener.phi * level[:-1] == pytest.approx(residuals[1:], abs=0.02)
    assert level[0] * np.sqrt(1 - whitener.phi**2) == pytest.approx(residuals[0], abs=0.02)


def test_without_a_calendar_hardly_anything_is_taken_away() -> None:
    """Weekdays that differ by chance alone are left in, for most series."""
    whitener, _ = whitening.fit(np.random.default_rng(2).standard_normal((56, 200)), starts(56), DAY)
    raw = np.sqrt(1 / 8)

    assert whitener.season.means.std(axis=0).mean() < raw / 2


def test_the_memory_is_corrected_for_the_small_sample() -> None:
    """The lag-1 autocorrelation, plus its bias, plus a margin of standard errors."""
    reference = ar(60, 0.6, 3)
    level = levels(reference, np.zeros(60, np.int64))
    a = level - level.mean()
    raw = float((a[1:] * a[:-1]).sum() / (a**2).sum())

    assert raw + (1 + 3 * raw) / 60 + whitening.PHI_MARGIN / np.sqrt(60) == pytest.approx(
        float(whitening.fit(reference, starts(60, WEEK), WEEK)[0].phi[0])
    )


def test_memory_is_found_and_taken_away() -> None:
    """Over many series of 200 slices phi is the memory or a little more, and the residuals have none left."""
    whitener, residuals = whitening.fit(ar(200, 0.8, 4, series=50), starts(200, WEEK), WEEK)
    lag = np.mean([np.corrcoef(r[1:], r[:-1])[0, 1] for r in residuals.T])

    assert 0.8 <= whitener.phi.mean() <= 0.9
    assert -0.12 < lag <= 0


def test_a_weekly_pattern_is_taken_away() -> None:
    """Weekdays that differ by a hundred sd or a thousand leave the same residuals, in the reference and later."""
    noise, week = np.random.default_rng(5).standard_normal((77, 1)), 100.0 * (np.arange(77) % 7)[:, None]
    whitener, residuals = whitening.fit((noise + week)[:70], starts(70), DAY)
    other, alike = whitening.fit((noise + 10 * week)[:70], starts(70), DAY)
    at = int(starts(78)[70])

    assert alike == pytest.approx(residuals, abs=0.05)
    assert np.abs(residuals).max() < 5
    assert other.season.level(at, (noise + 10 * week)[70]) == pytest.approx(
        whitener.season.level(at, (noise + week)[70]), abs=0.05
    )


def test_a_lasting_shift_stays_visible() -> None:
    """What moves all levels by 1 moves every residual by 1 - phi."""
    whitener, _ = whitening.fit(ar(60, 0.6, 6), starts(60), DAY)
    before, now = np.array([0.3]), np.array([-0.2])
    moved = whitener.residual(now + 1, before + 1) - whitener.residual(now, before)

    assert 1 - whitener.phi == pytest.approx(moved)


def test_a_gap_forgets() -> None:
    """After a slice without rows nothing explains the next, whose level is scaled to the residuals' size."""
    reference = ar(60, 0.6, 7)
    reference[30] = np.nan
    whitener, residuals = whitening.fit(reference, starts(60, WEEK), WEEK)
    level = whitener.season.level(0, reference[31]) * 59 / 58

    assert [False, True, False] == np.isnan(residuals[29:32, 0]).tolist()
    assert level * np.sqrt(1 - whitener.phi**2) == pytest.approx(residuals[31])


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10), st.floats(-10, 10))
def test_units_do_not_matter(seed: int, scale: float, shift: float) -> None:
    """Series in other units give the same residuals in those units, and the same memory."""
    reference = np.random.default_rng(seed).standard_normal((30, 2))
    one, two = whitening.fit(reference, starts(30), DAY), whitening.fit(scale * reference + shift, starts(30), DAY)

    assert one[0].phi == pytest.approx(two[0].phi)
    assert scale * one[1] == pytest.approx(two[1], abs=1e-6)


def test_what_remembers_is_told_from_what_does_not() -> None:
    """Of series without memory about 1 in 200 seems to remember; of AR(.6) of 60 slices almost all do."""
    assert whitening.is_autocorrelated(ar(60, 0.0, 8, series=4000)).mean() < 0.01
    assert whitening.is_autocorrelated(ar(60, 0.6, 9, series=500)).mean() > 0.9


def test_a_constant_remembers_nothing() -> None:
    """All ranks alike, and no warning of it; nothing of it is left after whitening."""
    whitener, residuals = whitening.fit(np.full((60, 1), 3.0), starts(60), DAY)

    assert not residuals.any()
    assert 0 <= whitener.phi[0] < 0.2
    assert [False] == whitening.is_autocorrelated(residuals).tolist()
