"""A time in text has one meaning, whatever times stand beside it."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.conventions import Times
from features.values import timestamps

NOW = datetime(2024, 6, 1, tzinfo=UTC)
DAYS = st.sampled_from(["2024-02-25", "20240225", " 2024-02-25", "2024-02", "2024-2-5"])
CLOCKS = st.sampled_from(["T15:16:17", " 15:16", "", "T15", "T151617", " 15:16:17.123456789", "T15:16 ", "T24:00"])
ZONES = st.sampled_from(["", "+05:00", "Z", "-0530", "-08", " +01", "z", "+1:00", "-0"])
WRITTEN = st.tuples(DAYS, CLOCKS, ZONES).map("".join) | st.sampled_from(["", "now", "T", "1709000000000", "2024-W05"])


def _ms(texts: list[str]) -> list[int | None]:
    ms: list[int | None] = timestamps.time(pa.array(texts, pa.string()), Times(), NOW).values.to_pylist()
    return ms


@given(texts=st.lists(WRITTEN, min_size=2, max_size=8))
def test_a_time_does_not_depend_on_the_times_beside_it(texts: list[str]) -> None:
    """Read together and one by one, times are the same."""
    assert _ms(texts) == [_ms([text])[0] for text in texts]


def test_a_time_without_a_zone_is_in_utc_after_one_with_a_zone() -> None:
    """The offset of a time is its own, not that of the next one too."""
    assert _ms(["2024-02-25T12:00:00+01:00", "2024-02-25 12:00:00"]) == [1708858800000, 1708862400000]


@pytest.mark.parametrize("word", ["now", "today", " NOW"])
def test_a_word_for_the_present_is_no_time(word: str) -> None:
    """pandas would read it by its clock, differently at each reading."""
    typed = timestamps.time(pa.array([word, "2024-02-25T12:00:00+01:00"], pa.string()), Times(), NOW)

    assert list(typed.bad) == [True, False]
    assert typed.reason.startswith("not a time")
