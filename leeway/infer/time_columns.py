"""Infers whether a column holds times and how they are written: ISO 8601, another format, or a number with a unit."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pandas.tseries.api import guess_datetime_format

from features.conventions import NUMBER_FORMATS, UNITS, Unit
from features.values import timestamps

EARLIEST = 631_152_000
"""1990 (s since the epoch): a smaller number is not a time."""
LATEST = 4_102_444_800
"""2100 (s since the epoch): a larger number is not a time."""
MIN_TIME_SHARE = 0.9
"""Share of values that must be times in one format for a column to hold times."""
_SAMPLED_VALUES = 500
_COMMON = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%d/%m/%Y %I:%M:%S %p", "%d/%m/%Y %I:%M %p", "%d.%m.%y %H:%M",
           "%d.%m.%y", "%m/%d/%y %H:%M", "%d/%m/%y %H:%M", "%d/%b/%Y:%H:%M:%S %z", "%b %d, %Y %I:%M %p",
           "%b %d, %Y %I:%M:%S %p")  # fmt: skip
"""Time formats that pandas does not guess."""
_LIKE_ISO = ("%Y-%m-%d %H:%M:%S.%f UTC", "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M UTC", "%Y-%m-%d %H:%M:%S,%f",
             "%Y-%m-%d %H:%M:%S.%f %z UTC", "%Y-%m-%d %H:%M:%S %z UTC", "%Y-%m-%d %H.%M.%S")  # fmt: skip
"""Formats near ISO 8601, such as those of BigQuery, Python's logging and Go; ISO 8601 needs no key and goes first."""
_FIRST_DAY, _LAST_DAY = 19900101, 21000101
_DIGITS_OF_A_DAY = r"\s*\d{8}\s*"


@dataclass(frozen=True, eq=False)
class TimeFormat:
    """How a column's times are written. *ms* are the values that could be read (ms since the epoch), in their order.

    *read* tells which of the column's values, missing ones left out, those are. At most one of *unit* (of numbers) and
    *format* (of texts that are not ISO 8601) is set.
    """

    ms: npt.NDArray[np.int64]
    read: npt.NDArray[np.bool_]
    unit: Unit | None = None
    format: str | None = None


def time_format(column: pa.ChunkedArray) -> TimeFormat | None:
    """Return how the times of *column* are written; None where it does not hold times.

    Numbers are times if `MIN_TIME_SHARE` of the column lie between 1990 and 2100 in one unit, or are dates in digits.
    The decoder sets the others aside.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        ms = column.drop_null().cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).to_numpy()
        return TimeFormat(ms, np.ones(len(ms), bool))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _time_format_of_numbers(column.drop_null().to_numpy().astype(np.float64))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _time_format_of_text(pd.Series(column.drop_null().to_pylist(), dtype=object))
    return None


def _time_format_of_numbers(numbers: npt.NDArray[np.float64]) -> TimeFormat | None:
    """Return how *numbers*, NaN where a value is none, are times: counted since the epoch, or dates in digits."""
    if not len(numbers):
        return None
    for unit, per in UNITS.items():
        read = (numbers >= EARLIEST * per) & (numbers < LATEST * per)
        if read.mean() >= MIN_TIME_SHARE:
            return TimeFormat((numbers[read] * (1000 / per)).astype(np.int64), read, unit=unit)
    for way, per_day in zip(NUMBER_FORMATS, (1, 10**6), strict=True):
        read = (numbers >= _FIRST_DAY * per_day) & (numbers < _LAST_DAY * per_day) & (numbers % 1 == 0)
        if read.mean() >= MIN_TIME_SHARE and len(ms := _dates_in_digits(numbers[read], way)):
            return TimeFormat(ms, read, format=way)
    return None


def _dates_in_digits(numbers: npt.NDArray[np.float64], way: str) -> npt.NDArray[np.int64]:
    """Return *numbers* as times (ms); none where one of them has no such month or day, as an id or an amount has.

    Nor are those times whose hour is always 0 while minutes are not: a day's date and a counter make an order's number.
    """
    stamps = pd.to_datetime(pd.Series(numbers.astype(np.int64)).astype(str), utc=True, format=way, errors="coerce")
    if stamps.isna().any() or (stamps.dt.hour.eq(0).all() and (stamps.dt.minute + stamps.dt.second).any()):
        return np.zeros(0, np.int64)
    return _ms(stamps)


def _time_format_of_text(texts: pd.Series[str]) -> TimeFormat | None:
    if texts.empty:
        return None
    if (counted := texts.str.fullmatch(f"(?:{timestamps.COUNT})|{_DIGITS_OF_A_DAY}")).mean() >= MIN_TIME_SHARE:
        return _time_format_of_numbers(texts.where(counted).astype(np.float64).to_numpy())
    found = (_parsed(texts, way) for way in (None, *_formats(texts)))
    best = max((read for read in found if read is not None), key=_plausibility, default=None)
    return best if best is not None and best.read.mean() >= MIN_TIME_SHARE else None


def _plausibility(read: TimeFormat) -> tuple[int, int, int]:
    """Return the plausibility of a format: number of values read, then how ordered they are, then how short their span.

    Whether day or month comes first shows only in the order of a log's rows and in the span of its times.
    """
    return len(read.ms), int((np.diff(read.ms) >= 0).sum()), int(read.ms.min() - read.ms.max())


def _formats(texts: pd.Series[str]) -> Iterator[str]:
    """Yield the formats other than ISO 8601 that most of the first texts may have."""
    first = [text for text in texts[:_SAMPLED_VALUES] if len(text) >= 8 and any(map(str.isdigit, text))]
    ways: list[str | None] = [*_COMMON] if first else []
    for day_first in (True, False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it is not sure
            found = Counter(guess_datetime_format(text, dayfirst=day_first) for text in first)
        ways += [way for way, _ in found.most_common(2)]
    yield from (
        way for way in dict.fromkeys(ways) if way and "%d" in way and way[:5] not in ("%Y-%m", "%Y/%d", "%Y-%d")
    )
    if any(re.match(r"\d{4}-\d{2}-\d{2} ", text) for text in first):
        yield from _LIKE_ISO


def _parsed(texts: pd.Series[str], way: str | None) -> TimeFormat | None:
    """Return the times of those *texts* that have the format *way*, ISO 8601 if it is None; None without any."""
    if way is None and not texts[:_SAMPLED_VALUES].str.match(r"\d{4}-?\d{2}-?\d{2}").any():
        return None
    try:
        stamps = timestamps.moments(texts, way)
    except ValueError:  # pandas does not know a part of the format
        return None
    read = stamps.notna().to_numpy()
    return TimeFormat(_ms(stamps.dropna()), read, format=way) if read.any() else None


def _ms(stamps: pd.Series[pd.Timestamp]) -> npt.NDArray[np.int64]:
    return np.asarray(stamps.astype("datetime64[ms, UTC]").astype("int64").to_numpy(), np.int64)
