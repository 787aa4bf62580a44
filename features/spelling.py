"""Canonical spelling of categories, ids and versions: one value is one text, whatever format or library wrote it.

Whole numbers have no decimal point (``1``, ``1.0`` and 1.0 are ``1``), truth values are ``true`` and ``false``, Unicode
is in normal form C, control characters are replaced by their pictures (U+2400 and on), and a text of more than
:data:`MAX_CHARACTERS` characters is cut and marked with a digest of the whole. Everything else stays as it is: ``01``
and ``1.10``, a postal code and a release, are not the same as ``1`` and ``1.1``.
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

MAX_CHARACTERS = 1000
"""Longest text of a category, in characters; a longer one is cut to this length, its last 18 a digest."""
FIRST_INEXACT = 2.0**53
"""The first whole number from which on float64 no longer tells neighbours apart (2^53): ids would be mixed up."""
_TRUTH = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
_WHOLE = re.compile(r"(-?)(0|[1-9][0-9]*)\.0+")
_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}


def number_text(value: float) -> str:
    """Return a number as a category: whole numbers without a point, so that 3 and 3.0 are the same.

    From 2^53 on it is written with an exponent, since which whole number it was is not known.

    >>> number_text(3.0), number_text(2.5), number_text(-0.0), number_text(2.0**60)
    ('3', '2.5', '0', '1.152921504606847e+18')
    """
    is_whole = math.isfinite(value) and value == int(value) and abs(value) < FIRST_INEXACT
    return str(int(value)) if is_whole else _exponent(float(value))


def _exponent(value: float) -> str:
    """Return a number that is not whole, or too large to be exact: 9007199254740994.0 has an exponent too.

    >>> _exponent(2.5), _exponent(9007199254740994.0)
    ('2.5', '9.007199254740994e+15')
    """
    text = repr(value)
    return text if not text.endswith(".0") else np.format_float_scientific(value, trim="-", exp_digits=2)


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
    return text if len(text) <= MAX_CHARACTERS else _cut(text)


def _cut(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[: MAX_CHARACTERS - 18]}… {digest}"


def column(values: pa.Array, missing: Collection[str]) -> pa.Array:
    """Return a column of strings in their canonical spelling; those that mean "missing" are null.

    Most columns are canonical already, which a scan of their bytes shows; otherwise each distinct value is respelled
    once.

    Parameters
    ----------
    values
        Strings, or a dictionary of strings.
    missing
        Texts that mean a missing value, before or after respelling.
    """
    coded = values
    if not pa.types.is_dictionary(values.type):
        if len(values) == 0 or not _may_change(values, missing):
            return values
        coded = values.dictionary_encode()
    spelled = ((text, canonical(text)) for text in coded.dictionary.to_pylist())
    words = [None if text in missing or word in missing else word for text, word in spelled]
    return pa.array(words, pa.string()).take(coded.indices)


def _may_change(values: pa.Array, missing: Collection[str]) -> bool:
    """Return whether any value may change or be missing: a scan of the bytes, with false positives but no misses."""
    offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1]
    sizes = np.diff(offsets)  # a null has none
    low, high = int(sizes.min()), int(sizes.max())
    if high > MAX_CHARACTERS or any(low <= (size := len(text.encode())) <= high and _has(sizes, size, values.null_count)
                             for text in missing):  # fmt: skip
        return True
    if not high:
        return False
    content = np.frombuffer(values.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    if content.min() < 0x20 or content.max() > 0x7E or (content == ord(".")).any():
        return True
    might_be_truth = low <= 5 and high >= 4 and ((content == ord("T")) | (content == ord("F"))).any()
    return bool(might_be_truth and pc.any(pc.is_in(values, pa.array(list(_TRUTH)))).as_py())


def _has(sizes: npt.NDArray[np.int32], size: int, nulls: int) -> bool:
    """Return whether a value has *size* bytes; nulls have none and do not count."""
    return bool(np.count_nonzero(sizes == size) > (0 if size else nulls))
