"""Memory that an Arrow IPC stream will take, from its messages' metadata: compressed buffers grow when they are read.

A message is a flatbuffer, of which a few numbers are read here: pyarrow reads a message only together with its buffers.

References
----------
Apache Arrow, ``format/Message.fbs``; FlatBuffers' binary format ("FlatBuffer Internals").
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from features import errors

MEMORY_ALLOWANCE = 64 << 20
"""Bytes of memory that the events of any record may take."""
MAX_EXPANSION = 20
"""Larger records may take this many times their own size."""
_DICTIONARY = 2
_BATCH = 3
"""Kinds of message, as `Message.fbs` numbers its headers."""


def check(value: bytes, columns: int) -> int:
    """Return the number of rows that a stream announces, after a check of the memory that they would take.

    Parameters
    ----------
    value
        The stream.
    columns
        Number of columns to be read from it.

    Raises
    ------
    DataError
        They would take more than :data:`MEMORY_ALLOWANCE` and more than :data:`MAX_EXPANSION` times its size.
    ArrowInvalid, struct.error
        It is not an Arrow IPC stream.
    """
    rows = size = 0
    for message in _messages(value):
        message_rows, message_bytes = _promised(message)
        rows, size = rows + message_rows, size + message_bytes
    room = max(MEMORY_ALLOWANCE, MAX_EXPANSION * len(value))
    if rows < 0 or size < 0 or size + 8 * rows * columns > room:
        msg = f"its {rows} events would take {(size + 8 * rows * columns) >> 20} MB of memory"
        raise errors.DataError(msg, hint="send fewer events in a record")
    return rows


def _messages(value: bytes) -> Iterator[Any]:
    reader = pa.ipc.MessageReader.open_stream(value)
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


def _promised(message: Any) -> tuple[int, int]:
    """Return the rows of a message, and the bytes that its buffers will take."""
    data = bytes(message.metadata)
    root = _offset(data, 0)
    kind, at = _field(data, root, 1), _field(data, root, 2)
    if not kind or not at or data[kind] not in (_DICTIONARY, _BATCH):
        return 0, 0
    batch = _offset(data, at)
    if data[kind] == _DICTIONARY:
        inner = _field(data, batch, 1)
        batch = _offset(data, inner) if inner else batch
    length, buffers, compressed = (_field(data, batch, slot) for slot in (0, 2, 3))
    rows = _long(data, length) if length and data[kind] == _BATCH else 0
    if not buffers:
        return rows, 0
    places = _structs(data, _offset(data, buffers))
    return rows, sum(_unpacked(message.body, *place) if compressed else place[1] for place in places)


def _unpacked(body: pa.Buffer, start: int, length: int) -> int:
    """Return the size of a compressed buffer, which is written in front of it; -1 means that it is not compressed."""
    if length < 8:
        return 0
    size = _long(bytes(body[start : start + 8]), 0)
    return length if size < 0 else size


def _structs(data: bytes, at: int) -> list[tuple[int, int]]:
    """Return a vector of pairs of longs."""
    (count,) = struct.unpack_from("<I", data, at)
    return [struct.unpack_from("<qq", data, at + 4 + 16 * i) for i in range(min(count, len(data) // 16))]


def _field(data: bytes, table: int, slot: int) -> int:
    """Return the position of a table's field; 0 where it is absent."""
    layout = table - struct.unpack_from("<i", data, table)[0]
    size, place = struct.unpack_from("<H", data, layout)[0], 4 + 2 * slot
    relative = struct.unpack_from("<H", data, layout + place)[0] if place < size else 0
    return table + relative if relative else 0


def _offset(data: bytes, at: int) -> int:
    return at + int(struct.unpack_from("<I", data, at)[0])


def _long(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<q", data, at)[0])
