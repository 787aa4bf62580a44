"""Event times as milliseconds since the epoch, UTC: from text, timestamps or numbers, within the plausible range."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.conventions import NUMBER_FORMATS, UNIT_NAMES, UNITS, Times, Unit
from features.values import typed_columns
from features.values.typed_columns import Typed
from features.values.untyped import Mask

Floats = npt.NDArray[np.float64]
ZONED = r"[0-9][T ].*[Zz+-]|[Zz+]"
"""Text in ISO 8601 that may have a zone: after the date there is no other use for these characters."""
WORD = r"^[^0-9]*$"
"""Text without a digit, of which pandas reads some, like now and today, by the clock."""
COUNT = r"^\s*[+-]?[0-9]{9,}(\.[0-9]*)?\s*$"
"""Text that is a number of units since the epoch. Eight digits are a date, like 20130131."""


def time(column: pa.Array, times: Times, now: datetime) -> Typed:
    """Return column as int64 milliseconds since the epoch; null is missing, and a time out of range is bad.

    Parameters
    ----------
    column
        Times as they were read: timestamps, dates, text or numbers.
    times
        How they are written, and their range.
    now
        The present, which bounds the range where `times` has no `latest`.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _stamped(column, times, now)
    if pa.types.is_string(kind):
        return _written(_digits(column) if times.format in NUMBER_FORMATS else column, times, now)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        if times.format in NUMBER_FORMATS:
            return _written(_digits(column), times, now)
        return _counted(column, times, now)
    return Typed(pa.nulls(len(column), pa.int64()), column.is_valid().to_numpy(zero_copy_only=False), _NO_TIME)


_NO_TIME = "not a time (ISO 8601, or a number as events.times says)"


def _digits(column: pa.Array) -> pa.Array:
    """Return dates in digits as texts: 20240131.0, as pandas writes a column with missing values, is 20240131."""
    return typed_columns.text(column).values


def _stamped(column: pa.Array, times: Times, now: datetime) -> Typed:
    if pa.types.is_date(column.type):
        column = column.cast(pa.date64()).cast(pa.int64())
        return _in_range(column, "ms", times, now, counted=False)
    return _in_range(column.cast(pa.int64()), column.type.unit, times, now, counted=False)


def _counted(column: pa.Array, times: Times, now: datetime) -> Typed:
    if pa.types.is_unsigned_integer(column.type) or not pa.types.is_integer(column.type):
        floats = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return _of_floats(floats, times, now)
    return _in_range(column.cast(pa.int64()), times.unit, times, now, counted=True)


def _of_floats(counts: Floats, times: Times, now: datetime) -> Typed:
    """Return floats as times. Below 2^53, which is so for every unit but ns, they are exact."""
    absent, low_high = np.isnan(counts), _bounds(times.unit, times, now)
    with np.errstate(invalid="ignore"):
        out = ((counts < low_high[0]) | (counts >= low_high[1])) & ~absent
    exact = np.where(absent | out, 0, counts) * (1000 / UNITS[times.unit])
    # 1361000000.123 s is not quite what a float64 holds: the nearest millisecond is meant.
    ms = (np.rint if times.unit == "s" else np.floor)(exact).astype(np.int64)
    return Typed(
        pa.array(ms, pa.int64(), mask=absent | out), out, _reason(counts[out], times, now) if out.any() else ""
    )


def _in_range(column: pa.Array, unit: Unit, times: Times, now: datetime, *, counted: bool) -> Typed:
    null = column.is_null().to_numpy(zero_copy_only=False)
    counts = column.fill_null(0).to_numpy(zero_copy_only=False)
    low, high = _bounds(unit, times, now)
    out = ((counts < low) | (counts >= high)) & ~null
    ms = _to_ms(np.where(out | null, 0, counts) if out.any() else counts, unit)
    reason = ""
    if out.any():
        reason = _reason(counts[out].astype(np.float64), times, now) if counted else _beyond(times)
    return Typed(pa.array(ms, pa.int64(), mask=null | out), out, reason)


def _to_ms(counts: npt.NDArray[np.int64], unit: Unit) -> npt.NDArray[np.int64]:
    per_second = UNITS[unit]
    return counts * (1000 // per_second) if per_second < 1000 else counts // (per_second // 1000)


def _bounds(unit: Unit, times: Times, now: datetime) -> tuple[int, int]:
    low, high = times.range_ms(now)
    return low * UNITS[unit] // 1000, high * UNITS[unit] // 1000


def _reason(counts: Floats, times: Times, now: datetime) -> str:
    """Return why *counts* are no times, and the unit in which the first of them would be one."""
    fitting = [u for u in UNITS if _bounds(u, times, now)[0] <= counts[0] < _bounds(u, times, now)[1]]
    unit = f"; counted in {UNIT_NAMES[fitting[0]]} it would fit: set events.times.unit: {fitting[0]}" if fitting else ""
    return f"{_beyond(times)}, counted in {UNIT_NAMES[times.unit]}{unit}"


def _beyond(times: Times) -> str:
    latest = f"{times.latest:%Y-%m-%d}" if times.latest else "a day from now"
    return f"not between {times.earliest:%Y-%m-%d} and {latest} (events.times)"


def _written(column: pa.Array, times: Times, now: datetime) -> Typed:
    """Return times in text: all of one ISO 8601 form at once, else one by one, digits as a number of units."""
    if times.format is None:
        for instants in _alike(column):
            return _in_range(instants, "us", times, now, counted=False)
    digits = pc.match_substring_regex(column, COUNT).fill_null(False).to_numpy(zero_copy_only=False)
    if times.format is not None:
        digits = np.zeros(len(column), bool)
    null = column.is_null().to_numpy(zero_copy_only=False)
    words = column.to_pandas()
    stamps = moments(words.mask(digits), times.format)
    ticks = stamps.astype("datetime64[us, UTC]").astype("int64").to_numpy()
    absent = stamps.isna().to_numpy()
    typed = _in_range(pa.array(ticks, pa.int64(), mask=absent), "us", times, now, counted=False)
    typed = typed.also(absent & ~null & ~digits, _unwritten(times))
    return _merged(typed, digits, words, times, now) if digits.any() else typed


def moments(texts: pd.Series[str], way: str | None) -> pd.Series[pd.Timestamp]:
    """Return the times of texts in the format *way*, ISO 8601 if it is None; NaT for others, UTC without a zone.

    Raises
    ------
    ValueError
        If pandas does not know a part of the format.
    """
    texts = texts.mask(_matches(texts, WORD))
    zoned = _matches(texts, ZONED)
    if way is None and zoned.any() and not zoned.all():
        # Apart, because in one call pandas gives a text without a zone the offset of the text before it.
        return _read(texts.where(zoned), way).where(zoned, _read(texts.where(~zoned), way))
    return _read(texts, way)


def _read(texts: pd.Series[str], way: str | None) -> pd.Series[pd.Timestamp]:
    return pd.to_datetime(texts, utc=True, format=way or "ISO8601", errors="coerce")


def _matches(texts: pd.Series[str], pattern: str) -> Mask:
    """Return which texts a pattern is found in, by Arrow: as fast as a whole column needs; a missing one has none."""
    found = pc.match_substring_regex(pa.array(texts, pa.string(), from_pandas=True), pattern)
    return np.asarray(found.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)


def _unwritten(times: Times) -> str:
    return f"not a time written as {times.format} (events.times.format)" if times.format else _NO_TIME


def _merged(typed: Typed, digits: Mask, words: pd.Series, times: Times, now: datetime) -> Typed:
    """Return *typed* with the rows of *digits* read as numbers of units."""
    counted = _counted(_numbers([text.strip() for text in words[digits]]), times, now)
    ms, null, bad = np.zeros(len(words), np.int64), np.ones(len(words), bool), np.zeros(len(words), bool)
    for rows, some in ((~digits, typed.values.filter(pa.array(~digits))), (digits, counted.values)):
        ms[rows] = some.fill_null(0).to_numpy(zero_copy_only=False)
        null[rows] = some.is_null().to_numpy(zero_copy_only=False)
    bad[digits] = counted.bad
    return Typed(pa.array(ms, pa.int64(), mask=null), typed.bad, typed.reason).also(bad, counted.reason)


def _numbers(texts: list[str]) -> pa.Array:
    """Return digits as int64 if all are whole and fit, else as float64."""
    try:
        return pa.array([int(text) for text in texts], pa.int64())
    except (ValueError, OverflowError):
        return pa.array([float(text) for text in texts], pa.float64())


def _alike(texts: pa.Array) -> Iterator[pa.Array]:
    """Yield the microseconds of *texts* once if all are ISO 8601, all with a zone or all without; else nothing.

    It takes a fifth of the time of reading them one by one.
    """
    for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us")):
        try:
            yield texts.cast(kind).cast(pa.int64())
        except pa.ArrowInvalid:
            continue
        return
