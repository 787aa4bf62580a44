"""Numbers and categories: from untyped columns to typed ones, with a mask of the values that do not fit.

No value raises. NaN is a missing number in every format; a number beyond :data:`LARGEST_FINITE` is infinite, as its
square is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features import spelling
from features.values.untyped import Mask

LARGEST_FINITE = 1e150
"""Absolute value above which a number counts as infinite: sums of squares would not be finite."""
NO_NUMBER = ("", "NA", "N/A", "na", "n/a", "null", "NULL", "None", "none", "nan", "NaN", "NAN", "-", "?")
"""Texts that mean a missing number, whatever `events.missing` lists."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A typed column with its invalid values.

    Parameters
    ----------
    values
        The column; undefined where `bad` is set.
    bad
        Rows whose value does not fit, (rows,).
    reason
        Why, for all of them.
    """

    values: pa.Array
    bad: Mask
    reason: str = ""

    def also(self, bad: Mask, reason: str) -> Typed:
        """Return this column with more bad rows; their reason is added to the one there is."""
        if not bad.any():
            return self
        both = f"{self.reason} or {reason}" if self.bad.any() and self.reason != reason else reason
        return Typed(self.values, self.bad | bad, both)


def number(column: pa.Array, decimal: str = ".", missing: Collection[str] = ()) -> Typed:
    """Return column as float64; null and NaN are missing.

    Parameters
    ----------
    column
        Numbers, truth values or text.
    decimal
        Decimal mark of numbers in text.
    missing
        Texts that mean a missing value; those that spell a number, like -999, make that number missing.
    """
    typed = _floats(column, decimal)
    if not (codes := [value for text in missing if isinstance(value := spelled(text), float)]):
        return typed
    return Typed(pc.if_else(pc.is_in(typed.values, pa.array(codes)), None, typed.values), typed.bad, typed.reason)


def _floats(column: pa.Array, decimal: str) -> Typed:
    kind = column.type
    if pa.types.is_string(kind):
        return _parsed(column, decimal)
    if _is_number(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        values = column.cast(pa.int8()) if pa.types.is_boolean(kind) else column
        return Typed(_usual(values.cast(pa.float64(), safe=False)), np.zeros(len(column), bool))
    return _unusable(column, pa.float64(), "not a number")


def _usual(values: pa.Array) -> pa.Array:
    """Return floats with NaN as null and what is beyond :data:`LARGEST_FINITE` as infinite.

    The extremes show whether there are any.
    """
    if not len(values):
        return values
    slots = np.frombuffer(values.buffers()[1], np.float64)[values.offset : values.offset + len(values)]
    if slots.min() >= -LARGEST_FINITE and slots.max() <= LARGEST_FINITE:  # neither holds where there is a NaN
        return values
    null = values.is_null().to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        huge = np.abs(slots) > LARGEST_FINITE
    numbers = np.where(huge, np.copysign(np.inf, slots), slots) if huge.any() else slots
    return pa.array(numbers, pa.float64(), mask=null | np.isnan(slots))


_TRUTH = {"true": 1.0, "false": 0.0, "True": 1.0, "False": 0.0, "TRUE": 1.0, "FALSE": 0.0}


def _parsed(column: pa.Array, decimal: str) -> Typed:
    """Return the numbers that texts spell, exact to the last bit: one rounded bit would grow other trees."""
    if decimal == ",":
        dotted = pc.match_substring(column, ".").fill_null(False)
        column = pc.if_else(dotted, "a point", pc.replace_substring(column, ",", "."))  # 1.5 is no number there
    no_number = np.zeros(len(column), bool)
    for look in (_as_they_are, _without_marks):  # most columns hold numbers and nothing else
        try:
            return Typed(_usual(look(column).cast(pa.float64())), no_number)
        except pa.ArrowInvalid:
            continue
    values = [None if text is None else spelled(text) for text in column.to_pylist()]
    bad = np.array([isinstance(v, str) for v in values], bool)
    floats = pa.array([None if isinstance(v, str) else v for v in values], pa.float64())
    return Typed(_usual(floats), bad, "not a number")


def _as_they_are(column: pa.Array) -> pa.Array:
    return column


def _without_marks(column: pa.Array) -> pa.Array:
    """Return texts, null where they stand for a missing number."""
    return pc.if_else(pc.is_in(column, pa.array(NO_NUMBER)), pa.scalar(None, pa.string()), column)


def spelled(text: str) -> float | str | None:
    """Return the number that *text* spells, None where it means a missing one, else the text."""
    text = text.strip()
    if text in _TRUTH:
        return _TRUTH[text]
    if text in NO_NUMBER:
        return None
    try:
        return float(text.replace("_", "?"))  # Python reads 1_000 as a number; other formats do not
    except ValueError:
        return text


def text(column: pa.Array, missing: Collection[str] = ("",), *, exact: bool = False) -> Typed:
    """Return column as categories in their canonical spelling (:mod:`features.spelling`); NaN is missing.

    Parameters
    ----------
    column
        Values of any type.
    missing
        Texts that mean a missing value.
    exact
        Whether floats from 2^53 on are bad: an id among them stands for several whole numbers.
    """
    kind, fits = column.type, np.zeros(len(column), bool)
    if pa.types.is_floating(kind):
        floats = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        lost = np.abs(floats) >= spelling.FIRST_INEXACT if exact else fits
        words = _each(column, lambda v: None if v != v else spelling.number_text(v))
        return Typed(words, fits).also(lost & np.isfinite(floats), _LOST)
    if pa.types.is_decimal(kind):
        return Typed(_each(column, _decimal_text), fits)
    try:
        words = column if pa.types.is_dictionary(kind) else column.cast(pa.string())
    except pa.ArrowException:  # a list, a record, a span of time
        return _unusable(column, pa.string(), "not text")
    typed = Typed(spelling.column(words, missing), fits)
    return typed.also(_rounded(typed.values), _LOST) if exact else typed


_LOST = "a float of which digits are lost"


def _rounded(words: pa.Array) -> Mask:
    """Return which texts are numbers that a float64 has rounded, as 9.007199254740993e+18."""
    if not pc.any(pc.match_substring(words, "e+")).as_py():
        return np.zeros(len(words), bool)
    found = pc.match_substring_regex(words, r"^-?[0-9](\.[0-9]+)?e\+[0-9]+$").fill_null(False)
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def _each(column: pa.Array, spell: Callable[..., str | None]) -> pa.Array:
    coded = column.dictionary_encode()
    words = [None if value is None else spell(value) for value in coded.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(coded.indices)


def _decimal_text(value: Decimal) -> str:
    """Return a decimal with all its digits; arithmetic would keep 28.

    >>> [_decimal_text(Decimal(text)) for text in ("1.50", "-0.00", "123456789012345678901234567890123456")]
    ['1.5', '0', '123456789012345678901234567890123456']
    """
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return spelling.canonical("0" if text == "-0" else text)


def _unusable(column: pa.Array, kind: pa.DataType, reason: str) -> Typed:
    what = "a list or record" if pa.types.is_nested(column.type) else f"of type {column.type}"
    return Typed(pa.nulls(len(column), kind), column.is_valid().to_numpy(zero_copy_only=False), f"{what}, {reason}")


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind))
