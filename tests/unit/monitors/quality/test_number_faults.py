"""Faults of numeric features: rescaling, plateaus of unit changes, and swapped columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.quality import rescaling, swapped_columns, unit_change, unit_reference
from monitors.quality.fault import FaultKind
from monitors.stats.bins import CategoricalBins, Counts, NumericBins, freeze_numeric

Values = npt.NDArray[np.float64]


def counted(bins: NumericBins, values: Values) -> Counts:
    """Return the cells of *values*."""
    return np.bincount(bins.index(values, np.isnan(values)), minlength=bins.cells)


def frozen(values: Values) -> tuple[NumericBins, Counts]:
    """Return the bins of *values* and their counts."""
    bins = freeze_numeric(values)
    return bins, counted(bins, values)


# Maps


numbers = st.lists(st.integers(-20, 20).map(float), min_size=2, max_size=60)


@given(values=numbers, other=numbers, scale=st.sampled_from([-2.0, -1.0, 0.1, 1.0, 3.0]), shift=st.integers(-9, 9))
def test_a_map_keeps_all_of_a_baseline(values: list[float], other: list[float], scale: float, shift: int) -> None:
    """The shares add up to 1 in both ways, whatever the bins, single values among them."""
    (bins, total), (onto, _) = frozen(np.array(values)), frozen(np.array(other))
    if rescaling.has_width(bins) and rescaling.has_width(onto):
        shares = rescaling.affine_shares(bins, total, onto, np.array([scale]), np.array([float(shift)]))
        assert [1.0, 1.0] == pytest.approx(shares.sum(axis=2).ravel().tolist())


@given(numbers)
def test_a_baseline_that_is_not_changed_is_itself(values: list[float]) -> None:
    """Mapped by 1 and 0, evenly spread values give the baseline's own shares, bin by bin."""
    bins, total = frozen(np.array(values))
    if rescaling.has_width(bins):
        _, evenly = rescaling.affine_shares(bins, total, bins, np.ones(1), np.zeros(1))
        ordered = total[list(bins.ordered)]
        assert (ordered / ordered.sum()).tolist() == pytest.approx(evenly[0].tolist(), abs=1e-12)


@pytest.mark.parametrize(("scale", "shift"), [(1.8, 32.0), (0.01, 0.0), (-1.0, 0.0), (1.0, -16.0)])
def test_a_map_of_counts_is_near_the_counts_of_mapped_values(scale: float, shift: float) -> None:
    """For a bell shape by .04 (Jensen-Shannon), where the conversion itself moves it by .7 at least."""
    values = np.random.default_rng(0).normal(15, 8, 6000)
    bins, total = frozen(values)
    there = counted(bins, scale * values + shift)[list(bins.ordered)]
    normal, _ = rescaling.affine_shares(bins, total, bins, np.array([scale]), np.array([shift]))
    assert float(rescaling.js_distance(normal[0], there)) < 0.04
    assert float(rescaling.js_distance(total[list(bins.ordered)], there)) > 0.65


def test_a_frequent_value_stays_in_its_bin() -> None:
    """The zeros of what is mostly zero are still zeros in another unit, and are not smeared over its bins."""
    values = np.concatenate([np.zeros(800), np.random.default_rng(0).lognormal(size=200)])
    bins, total = frozen(values)
    for scale in (1000.0, 0.001):
        shares = rescaling.affine_shares(bins, total, bins, np.array([scale]), np.zeros(1))
        assert [0.8, 0.8] == pytest.approx(shares[:, 0, 2].tolist(), abs=0.005)


def test_what_cannot_be_negative_does_not_fall_below_zero() -> None:
    """Its natural moves go up or shrink towards zero; what varies about zero is moved to both sides."""
    rng = np.random.default_rng(0)
    below = {}
    for name, values in {"price": rng.lognormal(size=5000), "change": rng.normal(size=5000)}.items():
        bins, total = frozen(values)
        below[name] = rescaling.natural_moves(bins, total)[:, 0].max()
    assert below["price"] < 0.01
    assert below["change"] > 0.9


def test_a_constant_has_no_width() -> None:
    """Nothing can be said of what it would be elsewhere."""
    assert not rescaling.has_width(freeze_numeric(np.full(9, 3.0)))


# Plateaus


BINS, TOTAL = frozen(np.random.default_rng(1).normal(size=20_000))


def slices(*means: float, wobble: float = 0.0, n: int = 100) -> Counts:
    """Return the counts of normal slices with these *means*, the baseline having mean 0 and sd 1."""
    rng = np.random.default_rng(2)
    return np.array([counted(BINS, rng.normal(m + wobble * rng.normal(), 1, n)) for m in means])


CALM = unit_reference.UnitReference(BINS, TOTAL, slices(*[0.0] * 30))
RESTLESS = unit_reference.UnitReference(BINS, TOTAL, slices(*[0.0, 2.5] * 15))


@pytest.mark.parametrize(
    ("means", "newest"),
    [
        ((0, 0, 0, 9, 9), 2),  # before, before, before | after, after
        ((0, 9), 1),
        ((0, 0, 0, 0, 0), 0),  # nothing
        ((0, 1, 2, 3, 4, 5), 0),  # a ramp
        ((0, 0, 2, 4, 4), 0),  # a ramp of three slices
        ((0, 9, 0, 9, 0), 0),  # to and fro
        ((9, 9, 9), 0),  # it began before
        ((0,), 0),
    ],
)
def test_a_step_has_two_plateaus(means: tuple[float, ...], newest: int) -> None:
    """The newest slices stand apart only if all stand near each other, and all before them do."""
    found = unit_reference.plateau(CALM, slices(*means))
    assert newest == (found.slices if found else 0)
    if found:
        assert slices(*means)[-newest:].sum(axis=0).tolist() == found.counts.tolist()


def test_a_restless_baseline_has_steps_all_the_time() -> None:
    """A step that slices of the baseline took too is none; one beyond all of them is."""
    step = slices(0, 0, 2.5, 2.5)
    assert unit_reference.plateau(CALM, step) is not None
    assert unit_reference.plateau(RESTLESS, step) is None
    assert unit_reference.plateau(RESTLESS, slices(0, 0, 40, 40)) is not None


def test_a_shift_next_to_the_range_is_no_unit_however_sudden() -> None:
    """A window beyond the range is drift; one that lies further away than the range is wide, all at once, is not."""
    beyond, far = (counted(BINS, np.random.default_rng(3).normal(m, 1, 1000)) for m in (7, 30))
    season = unit_reference.UnitReference(BINS, TOTAL, slices(*np.linspace(-4, 4, 20)[::-1], *np.linspace(-4, 4, 20)))
    for window in (beyond, far):
        stroke = unit_reference.Plateau(3, window)
        assert unit_change.find("x", season, window, 0.1) is None
        found = unit_change.find("x", season, window, 0.1, sudden=stroke)
        assert (window is far) == (found is not None)
    assert found is not None
    assert (FaultKind.UNIT_CHANGE, "far_out_of_range_share", 0.9) == (found.kind, found.metric, found.line)
    assert "all at once" in found.reason


def test_what_never_moved_is_in_another_unit_without_a_step() -> None:
    """Values far beyond the range of a variable that varies within slices only, though nothing shows when they came."""
    window = counted(BINS, np.random.default_rng(3).normal(30, 1, 1000))
    found = unit_change.find("x", CALM, window, 0.1)
    assert found is not None
    assert "its level was steady in the baseline" in found.reason


def test_a_conversion_that_nothing_else_explains_needs_no_step() -> None:
    """A tenth of every value collapses into the middle bins: no shift, spread or growth does that."""
    found = unit_change.find("x", CALM, counted(BINS, np.random.default_rng(3).normal(0, 0.1, 1000)), 0.1)
    assert found is not None
    assert "x is" in found.reason
    assert "divided by 10" in found.reason
    assert found.evidence["as_unit"] < found.evidence["as_move"] / unit_change.MIN_FIT_RATIO


@pytest.mark.parametrize("inside", [48, 46, 40])
def test_a_price_that_falls_into_its_lowest_tenth_is_in_no_other_unit(inside: int) -> None:
    """A market whose prices halve, and vary less: any conversion that leads to the lowest bin would fit."""
    edges = (0.0001, 0.042, 0.046, 0.052, 0.06, 0.068, 0.075, 0.081, 0.09, 0.106, 0.3)
    bins = NumericBins(edges=edges, mean=0.072, sd=0.028)
    slices = np.random.default_rng(3).multinomial(48, np.full(10, 0.1), 60)
    slices = np.pad(slices, ((0, 0), (0, bins.cells - bins.body)))
    window = np.array([inside, 48 - inside] + [0] * (bins.cells - 2))
    reference = unit_reference.UnitReference(bins, slices.sum(axis=0), slices)
    assert unit_change.find("x", reference, window, 0.15) is None
    assert unit_change.find("x", reference, window, 0.15, sudden=unit_reference.Plateau(1, window)) is None


@pytest.mark.parametrize(("mean", "sd"), [(2, 1), (-2, 1), (3, 1.4), (0, 2), (0, 0.5)])
def test_a_natural_move_at_one_stroke_is_no_unit(mean: float, sd: float) -> None:
    """A shift of 2 or 3 sd, or a spread of twice or half, however sudden."""
    window = counted(BINS, np.random.default_rng(4).normal(mean, sd, 2000))
    assert unit_change.find("x", CALM, window, 0.05, sudden=unit_reference.Plateau(1, window)) is None


# Exchanged columns


def column(then: Values, now: Values) -> swapped_columns.Column:
    """Return a number of which the baseline had the values *then*."""
    bins, total = frozen(then)
    return swapped_columns.Column(bins, total, counted(bins, now))


def words(then: str, now: str, others: tuple[str, ...] = ()) -> swapped_columns.Column:
    """Return a category of one letter a row."""
    bins = CategoricalBins(categories=tuple(sorted(set(then) - set(others))), others=others)
    total, window = (np.bincount(bins.index(np.array(list(v), object)), minlength=bins.cells) for v in (then, now))
    return swapped_columns.Column(bins, total, window)


X, Y, Z = (np.random.default_rng(5).normal(m, s, 2000) for m, s in ((0, 1), (3, 2), (10, 1)))


def test_columns_that_are_alike_are_not_told_apart() -> None:
    """Of two samples of one distribution nobody can say which is which."""
    twin = np.random.default_rng(6).normal(0, 1, 2000)
    assert [] == list(swapped_columns.find({"x": column(X, twin), "t": column(twin, X)}))


def test_a_copy_is_no_exchange() -> None:
    """A column that carries another's values while that one keeps them changes alone."""
    assert [] == list(swapped_columns.find({"x": column(X, Y)}))
    assert [] == list(swapped_columns.find({"x": column(X, Y), "y": column(Y, Z)}))


def test_every_ring_is_told_once() -> None:
    """Two pairs at once are two faults; columns shifted by one are one."""
    pairs = {"x": column(X, Y), "y": column(Y, X), "z": column(Z, -Z), "w": column(-Z, Z)}
    assert [("w", "z"), ("x", "y")] == sorted(tuple(sorted(f.variables)) for f in swapped_columns.find(pairs))
    shifted = {"x": column(X, Y), "y": column(Y, Z), "z": column(Z, X)}
    assert [("x", "y", "z")] == [f.variables for f in swapped_columns.find(shifted)]


def test_a_shift_of_both_towards_one_side_is_no_exchange() -> None:
    """A season moves related variables the same way; an exchange moves one up and the other down."""
    assert [] == list(swapped_columns.find({"x": column(X, X + 3), "y": column(Y, Y + 6)}))


def test_words_are_exchanged_by_what_they_share_or_by_being_two() -> None:
    """A common vocabulary shows it; without one, two columns of new words may be exchanged, three are spelled anew."""
    shared = {"a": words("aaab" * 50, "abbb" * 50), "b": words("abbb" * 50, "aaab" * 50)}
    assert [("a", "b")] == [f.variables for f in swapped_columns.find(shared)]
    (two,) = swapped_columns.find({"a": words("aab" * 50, "yyz" * 50), "y": words("yyz" * 50, "aab" * 50)})
    assert "exchanged columns, or new spellings in all of them" in two.reason
    three = {n: words(n * 100, n.upper() * 100) for n in "abc"}
    assert [] == list(swapped_columns.find(three))


def test_rare_words_may_give_way_to_others() -> None:
    """A vocabulary that turns over in its tail has not changed."""
    then = words("a" * 100 + "bcdefg", "a" * 100 + "hijklm", others=tuple("bcdefg"))
    assert 0.0 == then.distance


def test_a_number_is_not_exchanged_with_a_word() -> None:
    """Their cells cannot be compared."""
    assert [] == list(swapped_columns.find({"x": column(X, Y), "a": words("ab" * 50, "zz" * 50)}))
