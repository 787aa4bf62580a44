"""Fuzzing of the decoder, short: all formats, as files and as Kafka records; `make fuzz` runs a million records."""

from __future__ import annotations

import pytest

from tests.support import fuzz_invariants as holds


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("way", holds.WAYS)
def test_each_malformed_record_is_counted_once(way: str, seed: int) -> None:
    """Whatever is in it, it is a row or a dead letter, nothing raises, and sound records beside it are rows."""
    tally = holds.WAYS[way](seed, 1500)

    assert tally.rows > 0
    assert tally.records == tally.rows + tally.reasons.total()
