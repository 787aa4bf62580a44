"""Single values are typed as decoding a column of events types them."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.values import scalars, typed_columns

MISSING = ("", "NA", "-999")
NUMBERS = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text() | st.sampled_from(["True", "1.0", "-0.0", "", "NA", "-999", "a\x1fb", "é"])


@given(NUMBERS)
def test_a_number_is_that_of_a_decoded_event(value: float | None) -> None:
    """Missing where decoding makes it missing, refused where decoding makes it infinite, else the same float."""
    typed = typed_columns.number(pa.array([value]), missing=MISSING).values[0].as_py()
    codes = scalars.missing_numbers(MISSING)

    if typed is not None and math.isinf(typed):
        with pytest.raises(scalars.Unfit, match="infinite"):
            scalars.number(value, codes)
    else:
        number = scalars.number(value, codes)
        assert (typed is None) == math.isnan(number)
        assert typed is None or typed == number


@given(TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_infinity=False))
def test_a_category_is_that_of_a_decoded_event(value: str | float) -> None:
    """In its canonical spelling, from a text, a number or a truth value."""
    typed = typed_columns.text(pa.array([value]), MISSING).values[0].as_py()
    assert typed == scalars.category(value, MISSING)


@given(st.lists(NUMBERS))
def test_plain_values_are_those_that_no_reading_changes(values: list[float | None]) -> None:
    """The short cut takes no column that would be read otherwise, or refused."""
    if scalars.are_plain(values):
        assert values == [scalars.number(value) for value in values]


@pytest.mark.parametrize(("value", "words"), [
    ("1.5", "a text, not a number: send it without quotes"), (True, "a truth value, not a number: send 1 or 0"),
    ([1.0], "a list, not a number: send one number"), ({}, "an object, not a number"), (1e151, "counts as infinite"),
    (10**400, "counts as infinite"),
])  # fmt: skip
def test_what_is_no_number_is_refused_with_the_fix(value: object, words: str) -> None:
    """Each of its kind."""
    with pytest.raises(scalars.Unfit, match=words):
        scalars.number(value)


@pytest.mark.parametrize("value", [None, "", [], {}, True, 2.0**53, float("nan")])
def test_what_cannot_join_a_label_is_no_id(value: object) -> None:
    """Nor is a float of which digits are lost."""
    with pytest.raises(scalars.Unfit, match="id"):
        scalars.identifier(value)


def test_an_id_has_one_spelling() -> None:
    """That of the label's id, whatever type the two logs have."""
    assert ("7", "7", "a") == (scalars.identifier(7), scalars.identifier("7.0"), scalars.identifier("a"))
