"""Infers whether a column holds times and how they are written: ISO 8601, another format, or a number with a unit."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pandas.tseries.api import guess_datetime_format

from features.conventions import UNITS, Unit

EARLIEST = 631_152_000
"""1990 (s since the epoch): a smaller number is not a time."""
LATEST = 4_102_444_800
"""2100 (s since the epoch): a larger number is not a time."""
MIN_TIME_SHARE = 0.9
"""Share of values that must be times in one format for a column to hold times."""
_SAMPLED_VALUES = 500
_COMMON = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%d/%m/%Y %I:%M %p", "%d.%m.%y %H:%M", "%d.%m.%y",
           "%m/%d/%y %H:%M", "%d/%m/%y %H:%M")  # fmt: skip
"""Time formats that pandas does not guess."""


@dataclass(frozen=True, eq=False)
class TimeFormat:
    """How a column's times are written. *ms* are the values that could be read (ms since the epoch), in their order.

    At most one of *unit* (of numbers) and *format* (of texts that are not ISO 8601) is set.
    """

    ms: npt.NDArray[np.int64]
    unit: Unit | None = None
    format: str | None = None


def time_format(column: pa.ChunkedArray) -> TimeFormat | None:
    """Return how the times of *column* are written; None where it does not hold times.

    Numbers are times if all of the column lie between 1990 and 2100 in one unit.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return TimeFormat(column.drop_null().cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).to_numpy())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _since_epoch(column.drop_null().to_numpy().astype(np.float64))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _time_format_of_text(pd.Series(column.drop_null().to_pylist(), dtype=object))
    return None


def _since_epoch(numbers: npt.NDArray[np.float64]) -> TimeFormat | None:
    if not len(numbers) or not np.isfinite(numbers).all():
        return None
    for unit, per in UNITS.items():
        if numbers.min() >= EARLIEST * per and numbers.max() < LATEST * per:
            return TimeFormat((numbers * (1000 / per)).astype(np.int64), unit=unit)
    return None


def _time_format_of_text(texts: pd.Series[str]) -> TimeFormat | None:
    if texts.empty:
        return None
    if texts.str.fullmatch(r"\d{9,19}").all():
        return _since_epoch(texts.astype(np.float64).to_numpy())
    found = [TimeFormat(ms, format=way) for way in (None, *_formats(texts)) if len(ms := _parsed(texts, way))]
    best = max(found, key=_plausibility, default=None)
    return best if best is not None and len(best.ms) >= MIN_TIME_SHARE * len(texts) else None


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


def _parsed(texts: pd.Series[str], way: str | None) -> npt.NDArray[np.int64]:
    """Return the times (ms) of those *texts* that have the format *way*, ISO 8601 if it is None."""
    if way is None and not texts[:_SAMPLED_VALUES].str.match(r"\d{4}-\d{2}-\d{2}").any():
        return np.zeros(0, np.int64)
    try:
        stamps = pd.to_datetime(texts, utc=True, format=way or "ISO8601", errors="coerce")
    except ValueError:  # pandas does not know a part of the format
        return np.zeros(0, np.int64)
    return np.asarray(stamps.dropna().astype("datetime64[ms, UTC]").astype("int64").to_numpy(), np.int64)
