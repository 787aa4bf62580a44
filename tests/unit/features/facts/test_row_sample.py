"""A seeded sample of rows: the same wherever they are."""

from __future__ import annotations

import random

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from features.facts.row_sample import RowSample


def table(numbers: list[int]) -> pa.Table:
    """Return rows with an id and a time."""
    return pa.table(
        {
            "id": pa.array([f"r{n}" for n in numbers], pa.string()),
            "time": pa.array([n // 3 for n in numbers], pa.int64()),
        }
    )


def sampled(numbers: list[int], cuts: list[int], size: int, seed: int) -> list[str]:
    """Return the ids of the sample of rows that come in parts."""
    made = RowSample(size, seed)
    for start, stop in zip([0, *cuts], [*cuts, len(numbers)], strict=True):
        made.add(table(numbers[start:stop]))
    chosen = made.table
    assert chosen is not None
    assert len(numbers) == made.rows
    return list(chosen["id"].to_pylist())


@given(st.integers(1, 60), st.integers(0, 100), st.randoms(use_true_random=False), st.lists(st.integers(0, 60)))
def test_order_and_parts_do_not_matter(size: int, seed: int, rng: random.Random, cuts: list[int]) -> None:
    """Any order, any division into tables: the same rows, as many as asked for."""
    numbers = list(range(40))
    whole = sampled(numbers, [], size, seed)
    rng.shuffle(numbers)

    assert whole == sampled(numbers, sorted(min(cut, 40) for cut in cuts), size, seed)
    assert min(size, 40) == len(whole)


def test_the_seed_chooses() -> None:
    """Another seed takes other rows."""
    assert sampled(list(range(100)), [], 10, 1) != sampled(list(range(100)), [], 10, 2)


def test_rows_are_chosen_evenly() -> None:
    """Early and late rows have the same chance: half of 4,000 samples' rows are in either half of the log."""
    ids = [int(one[1:]) for seed in range(400) for one in sampled(list(range(50)), [], 10, seed)]

    assert abs(sum(one < 25 for one in ids) - 2000) < 4 * (4000 * 0.25) ** 0.5
