"""Columns of all Arrow types, valid and invalid, of two values each."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pyarrow as pa

GIVEN = 1_704_067_200
"""A plausible time in seconds."""


def _buffer(values: object) -> pa.Buffer:
    return pa.py_buffer(values if isinstance(values, bytes) else np.asarray(values).tobytes())


def no_text() -> pa.Array:
    """Return a column called text, the first value of which is not UTF-8."""
    return pa.Array.from_buffers(pa.string(), 2, [None, _buffer(np.array([0, 1, 2], np.int32)), _buffer(b"\xffb")])


def _coded(words: pa.Array, kind: pa.DataType) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0, 1], kind), words)


def _stamps(unit: str, zone: str | None = None) -> pa.Array:
    ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    return pa.array([2**62, GIVEN * ticks], pa.int64()).view(pa.timestamp(unit, zone))


def _view(size: int, kind: pa.DataType) -> pa.Array:
    return pa.array([b"a", b"b" * size] if kind == pa.binary_view() else ["a", "b" * size], kind)


COLUMNS: dict[str, Callable[[], pa.Array]] = {
    "text that is not UTF-8": no_text,
    "a dictionary of text that is not UTF-8": lambda: _coded(no_text(), pa.int32()),
    **{f"timestamp {u} beyond dates": lambda u=u: _stamps(u) for u in ("s", "ms", "us", "ns")},
    "timestamp of no known zone": lambda: _stamps("us", "Mars/Olympus"),
    "timestamp of a zone": lambda: _stamps("ms", "Europe/Paris"),
    "date32": lambda: pa.array([2**31 - 1, 19723], pa.int32()).view(pa.date32()),
    "date32 before all": lambda: pa.array([-(2**31), 19723], pa.int32()).view(pa.date32()),
    "date64": lambda: pa.array([2**62, GIVEN * 1000], pa.int64()).view(pa.date64()),
    "half floats": lambda: pa.array(np.array([1, np.inf], np.float16)),
    "single floats": lambda: pa.array([1.1, 3e38], pa.float32()),
    "huge floats": lambda: pa.array([1e308, -1e308]),
    "no floats": lambda: pa.array([float("nan"), float("-inf")]),
    "tiny floats": lambda: pa.array([1e-320, -0.0]),
    "decimal128": lambda: pa.array([Decimal("9" * 38), Decimal(1)], pa.decimal128(38, 0)),
    "decimal128 of a fraction": lambda: pa.array([Decimal("0.25"), Decimal("1.00")], pa.decimal128(5, 2)),
    "decimal256": lambda: pa.array([Decimal("9" * 76), None], pa.decimal256(76, 0)),
    "time32": lambda: pa.array([1, 86399], pa.int32()).view(pa.time32("s")),
    "time32 beyond a day": lambda: pa.array([-1, 2**31 - 1], pa.int32()).view(pa.time32("ms")),
    "time64": lambda: pa.array([1, 2**62], pa.int64()).view(pa.time64("ns")),
    "duration": lambda: pa.array([1, 2**62], pa.int64()).view(pa.duration("us")),
    "months": lambda: pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
    "uint64": lambda: pa.array([2**64 - 1, GIVEN * 1000], pa.uint64()),
    "uint8": lambda: pa.array([1, 0], pa.uint8()),
    "int8": lambda: pa.array([-1, 0], pa.int8()),
    "int64": lambda: pa.array([-(2**63), 2**63 - 1], pa.int64()),
    "bool": lambda: pa.array([True, None]),
    "null": lambda: pa.nulls(2),
    "empty text": lambda: pa.array(["", " "]),
    "long text": lambda: pa.array(["a" * 1_000_000, "\x1f\x00\n"]),
    "large text": lambda: pa.array(["a", "b"], pa.large_string()),
    "binary": lambda: pa.array([b"ab", b"\xff\xff"]),
    "large binary": lambda: pa.array([b"ab", b"\xff\xff"], pa.large_binary()),
    "binary of one size": lambda: pa.array([b"ab", b"\xff\xff"], pa.binary(2)),
    "binary of size 0": lambda: pa.array([b"", None], pa.binary(0)),
    "text view": lambda: _view(100, pa.string_view()),
    "binary view": lambda: _view(100, pa.binary_view()),
    "list": lambda: pa.array([[1], None]),
    "list of size 2": lambda: pa.array([[1, 2], None], pa.list_(pa.int64(), 2)),
    "large list": lambda: pa.array([["a"], []], pa.large_list(pa.string())),
    "list of text that is not UTF-8": lambda: pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), no_text()),
    "map": lambda: pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
    "record": lambda: pa.array([{"a": 1}, None]),
    "record of nothing": lambda: pa.array([{}, None], pa.struct([])),
    "record of text that is not UTF-8": lambda: pa.StructArray.from_arrays([no_text()], ["a"]),
    "union": lambda: pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]),
    "dense union": lambda: pa.UnionArray.from_dense(
        pa.array([0, 0], pa.int8()), pa.array([0, 1], pa.int32()), [pa.array([1, 2])]
    ),
    "dictionary": lambda: _coded(pa.array(["a", "b"]), pa.int8()),
    "dictionary of large text": lambda: _coded(pa.array(["a", "b"], pa.large_string()), pa.int32()),
    "dictionary with a null in it": lambda: _coded(pa.array(["a", None]), pa.int8()),
    "dictionary of numbers": lambda: _coded(pa.array([1.5, float("nan")]), pa.int64()),
    "dictionary of lists": lambda: _coded(pa.array([[1], [2]]), pa.int8()),
    "dictionary of half floats": lambda: _coded(pa.array(np.array([1, 2], np.float16)), pa.int8()),
    "dictionary of dictionaries": lambda: _coded(_coded(pa.array(["a", "b"]), pa.int8()), pa.int8()),
    "dictionary of unsigned codes": lambda: _coded(pa.array(["a", "b"]), pa.uint64()),
    "runs": lambda: pa.RunEndEncodedArray.from_arrays([2], pa.array(["a"])),
    "runs of a dictionary": lambda: pa.RunEndEncodedArray.from_arrays([2], pa.array(["a"]).dictionary_encode()),
    "an extension": lambda: pa.ExtensionArray.from_storage(_Own(), pa.array(["a", "b"])),
}  # fmt: skip


class _Own(pa.ExtensionType):  # type: ignore[misc]
    """Somebody's own type, which is text."""

    def __init__(self) -> None:
        super().__init__(pa.string(), "somebody.own")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> _Own:
        return cls()


def made() -> dict[str, pa.Array]:
    """Return those of :data:`COLUMNS` that this version of Arrow can make."""
    out = {}
    for name, make in COLUMNS.items():
        try:
            out[name] = make()
        except (pa.ArrowException, TypeError, ValueError, AttributeError):
            continue
    return out
