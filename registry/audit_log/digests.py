"""Digests of rows and of lines of the log: equal on SQLite and PostgreSQL, and after a dump and its restore.

The text of JSON is not stable: PostgreSQL sorts keys, drops spaces and writes ``1e+22`` as an integer. So hashed is the
canonical JSON of the values that the database gives back.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from features.window import UTC

Content = Mapping[str, Any]
"""A row's values by column, as they were read back."""
HINT_DIGITS = 8
"""Hex digits of a column's own digest. They only name the column that differs; the proof is the row's sha256."""
EXPONENT_FROM = 1e16
"""The value from which on Python writes a float with an exponent."""
_ODD = re.compile(r"e\+|-0\.0(?!\d)")
"""Finds in JSON the numbers that PostgreSQL may give back as others: large floats and minus zero."""


class RowDigest(NamedTuple):
    """The sha256 of a row, and a short one of each column for naming what differs."""

    sha256: str
    columns: dict[str, str]

    def differs_from(self, other: RowDigest) -> list[str]:
        """Return the columns whose digests differ, or that only one of both has; none if the rows are equal."""
        if self.sha256 == other.sha256:
            return []
        names = {**self.columns, **other.columns}
        return [name for name in names if self.columns.get(name) != other.columns.get(name)]


def canonical(value: object) -> str:
    """Return *value* as JSON with sorted keys, no spaces and ASCII alone: the same for values that are equal.

    Times are ISO 8601 in UTC with microseconds. Floats without a fraction from 1e16 on are written as integers and
    minus zero as zero, since PostgreSQL gives them back so. Enumerations are their values. Values that JSON does not
    have, such as bytes that somebody wrote into a column of text, are described.

    Raises
    ------
    RecursionError
        JSON is nested deeper than Python goes.

    Examples
    --------

    >>> canonical({"b": 1e22, "a": [-0.0, 0.5, "é"]})
    '{"a":[0.0,0.5,"\\\\u00e9"],"b":10000000000000000000000}'
    """
    text = _dumps(value)
    return _dumps(_portable(value)) if _ODD.search(text) else text


def row_digest(table: str, content: Content) -> RowDigest:
    """Return the digest of a row of *table*, its primary key included."""
    texts = {name: _text(value) for name, value in content.items()}
    # The texts are JSON already: put together by name, they are the canonical JSON of the whole.
    whole = ",".join(f"{json.dumps(name)}:{texts[name]}" for name in sorted(texts))
    hints = {name: _sha256(text)[:HINT_DIGITS] for name, text in texts.items()}
    return RowDigest(_sha256(f"[{json.dumps(table)},{{{whole}}}]"), hints)


def _text(value: object) -> str:
    try:
        return canonical(value)
    except RecursionError:
        return '{"unreadable":"nested too deep"}'


def _dumps(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_word)


def _word(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return f"{type(value).__name__} {value!r}"


def _portable(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _portable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(item) for item in value]
    if isinstance(value, float) and EXPONENT_FROM <= abs(value) < math.inf:
        return int(Decimal(repr(value)))
    return value + 0.0 if isinstance(value, float) else value


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
