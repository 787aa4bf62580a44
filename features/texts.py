"""Categories, ids and versions as text: one value has one spelling, whatever format or library wrote it.

Whole numbers have no point (``1``, ``1.0`` and 1.0 are ``1``), truth values are ``true`` and ``false``, Unicode is in
normal form C, control characters are shown by their pictures (U+2400 and on), and what is longer than
:data:`LONGEST` characters is cut and told apart by a digest. Everything else stays as it is: ``01`` and ``1.10``, a
postal code and a release, are not the same as ``1`` and ``1.1``.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

LONGEST = 1000
"""Characters of a text that are looked at; a longer one keeps so many and gets a digest."""
EXACT = 2.0**53
"""From here on a float64 is no longer one whole number: ids would be mixed up."""
_TRUTH = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
_WHOLE = re.compile(r"(-?)(0|[1-9][0-9]*)\.0+")
_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
Mask = npt.NDArray[np.bool_]


def number_text(value: float) -> str:
    """Return a number as a category: whole numbers without a point, so that 3 and 3.0 are the same.

    >>> number_text(3.0), number_text(2.5), number_text(-0.0)
    ('3', '2.5', '0')
    """
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))


def canonical(value: str | float) -> str:
    """Return the one spelling of a category.

    >>> [canonical(v) for v in (True, "True", 1, 1.0, "1.0", "1.10", "01", "-0.0")]
    ['true', 'true', '1', '1', '1', '1.10', '01', '0']
    >>> canonical("a" + chr(31) + "b"), canonical("e" + chr(0x301)) == chr(0xE9)
    ('a\u241fb', True)
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number_text(value)
    text = _TRUTH.get(value, value)
    if whole := _WHOLE.fullmatch(text):
        text = "0" if whole[2] == "0" else whole[1] + whole[2]
    if not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFC", text).translate(_PICTURES)
    return text if len(text) <= LONGEST else _cut(text)


def _cut(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[: LONGEST - 18]}… {digest}"


def column(values: pa.Array, missing: Collection[str]) -> pa.Array:
    """Return a column of strings, each in its one spelling; those *missing* lists, as they were or are now, are null.

    Most columns are as they should be, which a look at their bytes tells; else each distinct value is looked at once.
    """
    if len(values) == 0 or not _may_change(values, missing):
        return values
    coded = values.dictionary_encode()
    spelled = ((text, canonical(text)) for text in coded.dictionary.to_pylist())
    words = [None if text in missing or word in missing else word for text, word in spelled]
    return pa.array(words, pa.string()).take(coded.indices)


def _may_change(values: pa.Array, missing: Collection[str]) -> bool:
    """Say whether any value may be spelled otherwise or be missing: a cheap look, which may say yes in vain."""
    sizes = pc.binary_length(values)
    low, high = (bound.as_py() for bound in pc.min_max(sizes).values())
    if low is None:
        return False
    lengths = {len(text.encode()) for text in missing}
    if high > LONGEST or (any(low <= length <= high for length in lengths) and _has_length(sizes, lengths)):
        return True
    content = _bytes(values)
    if len(content) and (content.min() < 0x20 or content.max() > 0x7E or (content == 0x2E).any()):
        return True
    return bool(low <= 5 and high >= 4 and pc.any(pc.is_in(values, pa.array(list(_TRUTH)))).as_py())


def _has_length(sizes: pa.Array, lengths: Collection[int]) -> bool:
    return bool(pc.any(pc.is_in(sizes, pa.array(sorted(lengths), sizes.type))).as_py())


def _bytes(values: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the bytes of all values, one after the other."""
    offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1]
    data = values.buffers()[2]
    if data is None:
        return np.zeros(0, np.uint8)
    return np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
