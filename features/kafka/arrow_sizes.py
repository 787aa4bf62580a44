"""How much memory an Arrow IPC stream will take, from what its messages promise: compressed buffers grow when read.

A message is a flatbuffer, of which a few numbers are read here: pyarrow reads a message only together with its
buffers. The layout is that of Arrow's ``Message.fbs`` and of flatbuffers' binary format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from features import errors

ROOM = 64 << 20
"""Bytes of memory that the events of one record may take."""
_DICTIONARY, _BATCH = 2, 3


def check(value: bytes, columns: int) -> int:
    """Return how many rows a stream promises, which is no more than its events in *columns* may take memory for.

    Raises:
        DataError: they would take more than :data:`ROOM`, and more than 20 times the record's size.
        ArrowInvalid, struct.error: it is no such stream.
    """
    rows = size = 0
    for message in _messages(value):
        some, more = _promised(message)
        rows, size = rows + some, size + more
    room = max(ROOM, 20 * len(value))
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
    """Return the size of a compressed buffer, which stands in front of it; -1 means that it is not compressed."""
    if length < 8:
        return 0
    size = _long(bytes(body[start : start + 8]), 0)
    return length if size < 0 else size


def _structs(data: bytes, at: int) -> list[tuple[int, int]]:
    """Return a vector of pairs of longs."""
    (count,) = struct.unpack_from("<I", data, at)
    return [struct.unpack_from("<qq", data, at + 4 + 16 * i) for i in range(min(count, len(data) // 16))]


def _field(data: bytes, table: int, slot: int) -> int:
    """Return where a field of a table stands, 0 where it is absent."""
    layout = table - struct.unpack_from("<i", data, table)[0]
    size, place = struct.unpack_from("<H", data, layout)[0], 4 + 2 * slot
    relative = struct.unpack_from("<H", data, layout + place)[0] if place < size else 0
    return table + relative if relative else 0


def _offset(data: bytes, at: int) -> int:
    return at + int(struct.unpack_from("<I", data, at)[0])


def _long(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<q", data, at)[0])
