"""Single values of a request as typed values, equal to what decoding the same event from a file gives.

Columns of events are typed by :mod:`features.values.typed_columns`, which costs too much for the one row of a request.
What is taken here is a part of what is taken there: a text that spells a number is none here, since a caller can be
answered that its value is wrong and a file cannot.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from features import spelling
from features.values import typed_columns

NAN = float("nan")


class Unfit(ValueError):
    """A value that its feature cannot have; the message says what it is and what to send."""


def missing_numbers(missing: Collection[str]) -> frozenset[float]:
    """Return the numbers that mean a missing value, like -999: those that a text of `events.missing` spells.

    >>> sorted(missing_numbers(["", "NA", "-999"]))
    [-999.0]
    """
    return frozenset(code for text in missing if (code := _spelled(text)) is not None)


def _spelled(text: str) -> float | None:
    try:
        return float(text) if "_" not in text and text not in typed_columns.NO_NUMBER else None
    except ValueError:
        return None


def number(value: Any, codes: Collection[float] = ()) -> float:
    """Return a numeric feature's value; NaN is missing.

    Parameters
    ----------
    value
        A value as JSON has it.
    codes
        The numbers that mean a missing value (:func:`missing_numbers`).

    Raises
    ------
    Unfit
        It is no number, or counts as infinite (:data:`features.values.typed_columns.LARGEST_FINITE`).

    Examples
    --------
    >>> number(3), number(None), number(-999.0, {-999.0})
    (3.0, nan, nan)
    >>> number("3")
    Traceback (most recent call last):
    features.values.scalars.Unfit: a text, not a number: send it without quotes
    """
    if value is None:
        return NAN
    if type(value) is not float:
        value = _whole(value)
    if value in codes or value != value:
        return NAN
    if not -typed_columns.LARGEST_FINITE <= value <= typed_columns.LARGEST_FINITE:
        msg = "too large, and counts as infinite: send a finite number, or null where there is none"
        raise Unfit(msg)
    return float(value)


def are_plain(values: Sequence[Any]) -> bool:
    """Return whether all values are finite floats, so that :func:`number` changes none of them.

    >>> are_plain([1.5, -2.0]), are_plain([1.5, None]), are_plain([1]), are_plain([1e200]), are_plain([])
    (True, False, False, False, False)
    """
    return {*map(type, values)} == {float} and (
        min(values) >= -typed_columns.LARGEST_FINITE and max(values) <= typed_columns.LARGEST_FINITE
    )


def _whole(value: Any) -> float:
    """Return a value that is no plain float as one, or say what is wrong with it."""
    if isinstance(value, bool):
        msg = "a truth value, not a number: send 1 or 0"
        raise Unfit(msg)
    if isinstance(value, int):
        try:
            return float(value)
        except OverflowError:
            return float("inf")
    if isinstance(value, float):
        return value
    if isinstance(value, str):
        msg = "a text, not a number: send it without quotes"
        raise Unfit(msg)
    msg = f"{_kind(value)}, not a number: send one number"
    raise Unfit(msg)


def category(value: Any, missing: Collection[str] = ("",)) -> str | None:
    """Return a categorical feature's value in its canonical spelling (:mod:`features.spelling`); None is missing.

    Parameters
    ----------
    value
        A value as JSON has it: text, or a number or truth value, which are spelled.
    missing
        The texts that mean a missing value.

    Raises
    ------
    Unfit
        It is a list or an object.

    Examples
    --------
    >>> category("EWR"), category(3.0), category(True), category("")
    ('EWR', '3', 'true', None)
    """
    if value is None or value != value:
        return None
    if not isinstance(value, str | int | float):
        msg = f"{_kind(value)}, not a category: send one text"
        raise Unfit(msg)
    word = spelling.canonical(value)
    return None if word in missing or value in missing else word


def identifier(value: Any) -> str:
    """Return an id in its canonical spelling.

    Raises
    ------
    Unfit
        It is missing, a list, an object, a truth value, or a float of which digits are lost.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        msg = f"{_kind(value)}, not an id: send a text that is different in each row, or leave it out"
        raise Unfit(msg)
    if isinstance(value, float) and not abs(value) < spelling.FIRST_INEXACT:
        msg = "a float of which digits are lost: send the id as text"
        raise Unfit(msg)
    return spelling.canonical(value)


def _kind(value: Any) -> str:
    names = {list: "a list", dict: "an object", type(None): "null", str: "an empty text", bool: "a truth value"}
    return names.get(type(value), f"a value of type {type(value).__name__}")
