"""Block bootstrap of streams without a change: whole blocks at their place in the calendar, reproducible by seed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from features.errors import NotEnoughData
from features.window import to_ms
from monitors.finding import Stage
from monitors.sequential.seasonality import DAY, WEEK
from monitors.simulation import bootstrap
from tests.support import recorded_history as replayed

KNOWN = replayed.baseline(45)
WORLD = bootstrap.draw(KNOWN, 60, np.random.default_rng(3))


def test_every_slice_comes_from_the_same_weekday() -> None:
    """In the past and in the future, and from within the baseline."""
    moved = [at - origin for part in (WORLD.past, WORLD.future) for at, origin in part.items()]
    origins = {*WORLD.past.values(), *WORLD.future.values()}

    assert {0} == {by % WEEK for by in moved}
    assert origins <= {s.start for s in KNOWN.inputs}


def test_a_block_is_a_week_in_a_row() -> None:
    """A slice's neighbour is its neighbour of old, but where a block ends."""
    starts = sorted(WORLD.future)
    joins = [b for a, b in pairwise(starts) if WORLD.future[b] - WORLD.future[a] != DAY]

    assert joins
    assert {0} == {(at - starts[0]) % WEEK for at in joins}


def test_the_past_has_the_baselines_slices_and_the_future_begins_after_it() -> None:
    """As many slices at the same times, of each segment and stage; the future is as long as asked."""
    for stage, segment in ((Stage.INPUTS, ""), (Stage.INPUTS, "site=a"), (Stage.OUTCOMES, "")):
        drawn, own = WORLD.reference.slices(stage, segment), KNOWN.slices(stage, segment)
        assert [s.start for s in own] == [s.start for s in drawn]
        assert {str(s.counts) for s in drawn} < {str(s.counts) for s in own}
        assert 60 == len(WORLD.slices(stage, segment))
    assert min(WORLD.future) >= to_ms(KNOWN.end)


def test_segments_and_stages_stay_together() -> None:
    """A day of all traffic is the sum of the same day's sites."""
    every = {s: WORLD.slices(Stage.INPUTS, s) for s in ("", "site=a", "site=b")}
    sums = [
        np.add(a.counts["x"], b.counts["x"]).tolist() for a, b in zip(every["site=a"], every["site=b"], strict=True)
    ]

    assert sums == [s.counts["x"] for s in every[""]]


def test_a_seed_is_a_world() -> None:
    """The same seed draws the same, another one something else."""
    again, other = (bootstrap.draw(KNOWN, 60, np.random.default_rng(seed)) for seed in (3, 4))

    assert (WORLD.past, WORLD.future) == (again.past, again.future)
    assert WORLD.future != other.future


def test_equal_keys_are_equal_counts() -> None:
    """In other worlds of the same source too; the first window, of which a slice is absent, has a key of its own."""
    known: dict[object, object] = {}
    for world in (WORLD, bootstrap.draw(KNOWN, 60, np.random.default_rng(4))):
        for window, key in world.windows(Stage.INPUTS, ""):
            assert window.counts == known.setdefault(key, window.counts)
    assert 30 < len(known) < 120


@pytest.mark.parametrize(
    ("slide", "slices", "block"),
    [(DAY, 28, 7), (DAY, 27, 1), (DAY // 24, 24 * 28, 24 * 7), (DAY // 24, 24 * 27, 24), (WEEK, 8, 1), (5 * DAY, 9, 1)],
)
def test_a_block_is_the_longest_period_that_there_are_four_of(slide: int, slices: int, block: int) -> None:
    """A week, a day, or a slice."""
    assert block == bootstrap.block_length(slide, slices)


def test_a_few_slices_are_no_world() -> None:
    """Three slices say nothing about no change."""
    with pytest.raises(NotEnoughData, match="a baseline of 3 slices is too short"):
        bootstrap.draw(replayed.baseline(3), 10, np.random.default_rng(1))
