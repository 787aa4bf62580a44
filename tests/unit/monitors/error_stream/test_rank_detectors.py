"""Single losses are looked at in a way that no unit changes, and that any replay repeats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from features.errors import NotEnoughData
from features.scoring import Floats
from monitors.error_stream import rank_detectors
from monitors.error_stream.rank_detectors import DetectorAlarm, Detectors, Ranks

FAST = Detectors(kswin_alpha=0.0)
BASELINE = np.random.default_rng(1).exponential(size=4000)
LOSSES = arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 100))


def worse(n: int = 1500, by: float = 3.0, seed: int = 2) -> Floats:
    """Return *n* losses like the baseline's and as many *by* times as large."""
    drawn = np.random.default_rng(seed).exponential(size=2 * n)
    return np.where(np.arange(2 * n) < n, drawn, by * drawn)


def alarms(detectors: Detectors, baseline: Floats, losses: Floats, cut: int | None = None) -> tuple[DetectorAlarm, ...]:
    """Return all alarms on *losses*, shown *cut* at a time."""
    state, out = detectors.start(Ranks.freeze(baseline)), ()
    for part in np.split(losses, range(cut or len(losses), len(losses), cut or len(losses))):
        state, found = detectors.update(state, part)
        out += found
    return out


@given(LOSSES, LOSSES, LOSSES)
def test_tables_of_parts_add_up_to_the_table_of_the_whole(first: Floats, one: Floats, other: Floats) -> None:
    """On the same bins counts add, in any order."""
    table = Ranks.freeze(first)
    empty = Ranks(table.bins, (0,) * len(table.counts))

    assert table.add(one).add(other) == table.merge(empty.add(other)).merge(empty.add(one))


@given(LOSSES, LOSSES)
def test_ranks_lie_between_0_and_1_and_keep_the_order(baseline: Floats, losses: Floats) -> None:
    """A larger loss never has a smaller rank, and none is 0 or 1, however far out it is."""
    ranks = Ranks.freeze(baseline).of(np.sort(losses))

    assert (np.diff(ranks) >= 0).all()
    assert ((ranks > 0) & (ranks < 1)).all()


def test_ranks_of_the_baseline_are_about_uniform() -> None:
    """Their mean and variance are those of a uniform number."""
    ranks = Ranks.freeze(BASELINE).of(np.random.default_rng(3).exponential(size=20_000))

    assert pytest.approx([1 / 2, 1 / 12], abs=0.01) == [ranks.mean(), ranks.var()]


def test_a_loss_that_is_0_or_1_has_the_middle_rank_of_its_kind() -> None:
    """Three quarters of zeros share the rank .375, the ones .875."""
    table = Ranks.freeze(np.repeat([0.0, 1.0], [3000, 1000]))

    assert pytest.approx([0.375, 0.875], abs=0.001) == table.of(np.array([0.0, 1.0])).tolist()


def test_no_baseline_no_ranks() -> None:
    """Losses of which none is finite are refused."""
    with pytest.raises(NotEnoughData, match="finite loss"):
        Ranks.freeze(np.array([np.nan, np.inf]))


@pytest.mark.parametrize("unit", [1e-3, 0.25, 1000.0])
def test_another_unit_of_the_loss_changes_nothing(unit: float) -> None:
    """Baseline and losses told in another unit give the same alarms."""
    assert alarms(FAST, BASELINE, worse()) == alarms(FAST, unit * BASELINE, unit * worse())


def test_a_loss_that_rises_is_found_within_some_hundred_records() -> None:
    """All three detectors say that it has risen, and nothing before it has."""
    found = alarms(Detectors(), BASELINE, worse(600))

    assert {"ADWIN", "PageHinkley", "KSWIN"} == {a.detector for a in found}
    assert all(a.risen and 600 < a.record < 900 for a in found[:3])


def test_a_loss_that_falls_is_told_as_such() -> None:
    """ADWIN looks both ways, and says which."""
    found = alarms(FAST, BASELINE, worse(by=1 / 3))

    assert [("ADWIN", False)] == [(a.detector, a.risen) for a in found]


@settings(max_examples=10, deadline=None)
@given(cut=st.integers(1, 700))
def test_alarms_do_not_depend_on_how_the_stream_is_cut(cut: int) -> None:
    """Any cut of the records into calls gives the alarms of one call."""
    losses = worse(300)

    assert alarms(FAST, BASELINE, losses) == alarms(FAST, BASELINE, losses, cut)


def test_kswin_is_seeded() -> None:
    """Two replays draw the same samples."""
    losses = worse(300)

    assert alarms(Detectors(), BASELINE, losses) == alarms(Detectors(), BASELINE, losses, 250)


def test_a_state_is_not_changed_by_what_comes_after() -> None:
    """The same state can be gone on from twice."""
    state, _ = FAST.update(FAST.start(Ranks.freeze(BASELINE)), worse()[:1500])

    assert FAST.update(state, worse()[1500:])[1] == FAST.update(state, worse()[1500:])[1] != ()


def test_losses_that_are_not_finite_are_passed_over() -> None:
    """They are no records at all."""
    losses = worse()
    holes = np.insert(losses, np.arange(0, len(losses), 7), np.nan)

    assert alarms(FAST, BASELINE, losses) == alarms(FAST, BASELINE, holes)


def test_nothing_is_found_where_nothing_changes() -> None:
    """In 30,000 records like the baseline's there is no alarm: one in 10^5 is the most to be expected."""
    assert () == alarms(FAST, BASELINE, np.random.default_rng(4).exponential(size=30_000))


def test_the_words_say_that_nothing_is_guaranteed() -> None:
    """A reader of the alarm cannot take it for one that keeps the budget."""
    assert "outside the false-alarm guarantee" in str(rank_detectors.DetectorAlarm("KSWIN", 5, risen=False))
