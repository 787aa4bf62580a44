"""Arrow columns of any type and origin, converted to validated columns of a few basic types."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.values.untyped import Mask, value_of


def basic(column: pa.ChunkedArray | pa.Array, *, words: bool = False) -> pa.Array:
    """Return a column in one piece, as one of Arrow's basic types: no dictionaries, views, run lengths or extensions.

    Parameters
    ----------
    column
        A column of any type.
    words
        Whether a dictionary of strings stays one, so that each distinct string is handled once.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    if words and len(chunks) == 1 and column.type in _WORDS:
        return chunks[0]
    simple = [_simple(chunk) for chunk in chunks]
    return pa.concat_arrays(simple) if len(simple) > 1 else simple[0] if simple else _simple(pa.nulls(0, column.type))


_WORDS = [pa.dictionary(pa.int32(), kind) for kind in (pa.string(), pa.large_string())]


def _simple(array: pa.Array) -> pa.Array:
    try:
        return _decoded(array)
    except pa.ArrowNotImplementedError:  # a view, or runs of what is a dictionary: not every Arrow can cast those
        return pa.array([value_of(cell) for cell in array])


def _decoded(array: pa.Array) -> pa.Array:
    """Return an array without its outermost encoding, and long strings and half floats as the common types."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _simple(array.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return _simple(pc.run_end_decode(array))
    if isinstance(kind, pa.BaseExtensionType):
        return _simple(array.storage)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string())
    return array.cast(pa.float32()) if pa.types.is_float16(kind) else array


def validated(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return an untrusted column after a full validation; strings that are not all UTF-8 are returned as bytes.

    Raises
    ------
    ArrowInvalid
        It is invalid in another way, such as offsets that lead out of it.
    """
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if kind not in _BYTES:
            raise
        column = _as_bytes(column, _BYTES[kind])
        column.validate(full=True)
    return column


_BYTES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}


def _as_bytes(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if not pa.types.is_dictionary(column.type):
        return column.cast(kind)
    coded = (pa.DictionaryArray.from_arrays(c.indices, c.dictionary.cast(kind)) for c in column.chunks)
    return pa.chunked_array([c.dictionary_decode() for c in coded], kind)


def is_bytes(kind: pa.DataType) -> bool:
    """Return whether values of *kind* are bytes. They may be text: old writers do not mark it as such."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def as_text(column: pa.Array) -> tuple[pa.Array, Mask]:
    """Return bytes as text, null where they are not UTF-8, and a mask of those rows."""
    words, lost = list[str | None](), np.zeros(len(column), bool)
    for row, value in enumerate(column.to_pylist()):
        try:
            words.append(None if value is None else value.decode())
        except UnicodeDecodeError:
            words.append(None)
            lost[row] = True
    return pa.array(words, pa.string()), lost
