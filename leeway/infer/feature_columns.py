"""Infers whether a column can be a feature, its kind, and remarks for the user."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import DataError
from features.schema import RESERVED, FeatureKind
from features.spelling import canonical
from features.values import arrow_columns
from leeway.infer.time_columns import time_format

FEW_DISTINCT = 20
"""Distinct whole numbers up to which a column may hold codes rather than quantities."""
MIN_NUMBER_SHARE = 0.95
"""Share of a text column's values that must be numbers for it to be numeric."""
MIN_TEXT_SHARE = 0.95
"""Share of a column of bytes that must be UTF-8 for it to be text; the decoder sets the other rows aside."""
_MARKED = re.compile(
    r"\s*[+-]?\s*([$€£¥₹]|[A-Z]{3}(?=[ \d]))?\s*[+-]?(\d+|[1-9]\d{0,2}([.,'\u2019 \u00a0\u202f]\d{3})+)([.,]\d+)?"
    r"\s*(%|[$€£¥₹]|[A-Z]{3})?\s*"
)
"""A number as people write it: with marks between thousands, a currency or a percent sign, or a decimal comma."""
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


def plain_columns(table: pa.Table) -> pa.Table:
    """Return *table* with columns of the types that the decoder reads them as: no dictionaries, views or half floats.

    Decimals are floats, and a NaN is a missing number, since Arrow computes little with other types. Bytes are text
    where nearly all are UTF-8: old writers, such as Spark's and Impala's, do not mark text as such.

    Raises DataError if two of its columns have the same name.
    """
    names = table.column_names
    if twice := next((name for name in names if names.count(name) > 1), None):
        msg = f"two columns are called `{twice}`"
        raise DataError(msg, hint="rename one of them")
    return pa.table({name: _plain(table[name]) for name in names})


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    plain = arrow_columns.basic(column)
    if arrow_columns.is_bytes(plain.type):
        words, lost = arrow_columns.as_text(plain)
        plain = words if lost.sum() <= (1 - MIN_TEXT_SHARE) * len(words) else plain
    if pa.types.is_decimal(plain.type):
        plain = plain.cast(pa.float64())
    if pa.types.is_floating(plain.type):  # NaN is a missing number
        plain = pc.if_else(pc.is_nan(plain), None, plain)
    return pa.chunked_array([plain])


def distinct_values(column: pa.ChunkedArray) -> int:
    """Return the number of distinct values, missing ones excluded; 0 where values cannot be compared."""
    if is_unsupported(column.type) or pa.types.is_null(column.type):
        return 0
    return int(pc.count_distinct(column, mode="only_valid").as_py())


def key_text(value: object) -> str:
    """Return an id as the text by which rows are matched: 1, 1.0 and "1" are one id.

    >>> from datetime import date
    >>> key_text(1.0), key_text("a"), key_text(date(2024, 1, 1))
    ('1', 'a', '2024-01-01')
    """
    return canonical(value) if isinstance(value, str | float | int) else str(value)


def reason_to_leave_out(name: str, column: pa.ChunkedArray) -> str:
    """Return why the column *name* cannot be a feature; empty where it can."""
    if not name.strip():
        return "it has no name"
    if why := no_value_reason(column):
        return why
    if name in RESERVED:
        return "Leeway has a column of this name; rename it"
    if time_format(column) is not None:
        return "a time"
    return _unique_values_reason(name, column)


def no_value_reason(column: pa.ChunkedArray) -> str:
    """Return why a column has no value that could be read; empty where it has some."""
    if column.null_count == len(column):
        return "it never has a value in the sample"
    if arrow_columns.is_bytes(column.type):
        return f"holds {column.type} that is no text in UTF-8; write it as text"
    return f"holds {column.type}, not numbers or text" if is_unsupported(column.type) else ""


def _unique_values_reason(name: str, column: pa.ChunkedArray) -> str:
    """Return why a column of unique values cannot be a feature; empty where it can."""
    apart, there = distinct_values(column), len(column) - column.null_count
    if is_text(column.type) and not are_numbers(column):
        own = there > FEW_DISTINCT and apart > there / 2
        return (marked_reason(column) or "nearly every row has its own value") if own else ""
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    if (
        is_code(column.type)
        and there > FEW_DISTINCT
        and apart == there
        and (words & {"id", "nr", "no", "key"} or _rises(column))
    ):
        return "an id: every row has its own value"
    return ""


def _rises(column: pa.ChunkedArray) -> bool:
    """Whether each value is one more than the one before, as a row number is."""
    return not is_text(column.type) and bool((np.diff(column.drop_null().to_numpy()) == 1).all())


def feature_kind(column: pa.ChunkedArray) -> tuple[FeatureKind, str]:
    """Return the kind of a feature, and a remark for the user, which may be empty."""
    apart = distinct_values(column)
    first = column.drop_null()[0].as_py()
    always = f"always {' '.join(str(first).split())[:40]} in the sample: drift shows only once it changes"
    if pa.types.is_boolean(column.type) or (is_text(column.type) and not are_numbers(column)):
        marked = marked_reason(column)
        return FeatureKind.CATEGORICAL, always if apart == 1 else f"{apart} values{'; ' if marked else ''}{marked}"
    if apart == 1:
        return FeatureKind.NUMERIC, always
    if is_text(column.type):
        odd = sum(_NUMBER.fullmatch(text) is None for text in column.drop_null().to_pylist())
        return (
            FeatureKind.NUMERIC,
            f"{odd} of {len(column)} values are not numbers: their rows are set aside" if odd else "",
        )
    few = f"only {apart} values; categorical if they are codes" if apart <= FEW_DISTINCT else ""
    return FeatureKind.NUMERIC, few if pa.types.is_integer(column.type) else ""


def marked_reason(column: pa.ChunkedArray) -> str:
    """Return why a column holds no numbers though people read it so, like $1,234.50; empty where that is not so."""
    if not is_text(column.type) or are_numbers(column) or not _match(column, _MARKED):
        return ""
    example = next(text for text in column.drop_null().to_pylist() if not _NUMBER.fullmatch(text))
    return f"numbers written with signs or marks, like {example.strip()[:40]!r}: write them plainly, like 1234.5"


def are_numbers(texts: pa.ChunkedArray) -> bool:
    """Whether nearly all *texts* are numbers."""
    return _match(texts, _NUMBER)


def _match(texts: pa.ChunkedArray, pattern: re.Pattern[str]) -> bool:
    values = texts.drop_null().to_pylist()
    return sum(pattern.fullmatch(text) is not None for text in values) >= MIN_NUMBER_SHARE * max(1, len(values))


def is_text(kind: pa.DataType) -> bool:
    """Whether values are texts."""
    return bool(pa.types.is_string(kind))


def is_code(kind: pa.DataType) -> bool:
    """Whether values are texts or whole numbers."""
    return is_text(kind) or bool(pa.types.is_integer(kind))


def is_unsupported(kind: pa.DataType) -> bool:
    """Whether values are neither numbers, texts, booleans nor times."""
    if pa.types.is_null(kind) or pa.types.is_boolean(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return False
    return not (is_code(kind) or pa.types.is_floating(kind))
