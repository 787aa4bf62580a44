"""Replays files of events into topics in the order of event time, at a set speed or as fast as possible."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from features.errors import DataError
from features.events import decode, encode, location, publishing
from features.events.publishing import Message, TopicFormat
from features.files import file_chunks
from features.schema import EventSchema, Role, Source
from features.window import to_ms

_TIME, _KEY, _VALUE, _PLACE = decode.TIME, "key", "value", "\0place"


@dataclass(frozen=True)
class Stream:
    """The events in *folder*, read as *role*, to send to the topic *to*; *batch* of them in a columnar record."""

    schema: EventSchema
    role: Role
    folder: Path
    to: Source
    batch: int = publishing.EVENTS_PER_RECORD


@dataclass(frozen=True, slots=True)
class Part:
    """A chunk of a file: first and last event time (ms), number of events to send, and records that cannot be read.

    *lost* records are not sent; JSON Lines go into JSON topics unchanged, so none of theirs is lost.
    """

    chunk: file_chunks.Chunk
    oldest: int
    newest: int
    events: int
    lost: int


@dataclass(frozen=True)
class Plan:
    """The events of one stream that will be sent."""

    stream: Stream
    parts: Sequence[Part] = field(repr=False)

    @property
    def events(self) -> int:
        """The number of events."""
        return sum(part.events for part in self.parts)

    @property
    def lost(self) -> int:
        """The number of records that cannot be read and are not sent."""
        return sum(part.lost for part in self.parts)

    @property
    def oldest(self) -> int | None:
        """The time of the first event (ms)."""
        return min((part.oldest for part in self.parts), default=None)


def plan(stream: Stream) -> Plan:
    """Return the plan for *stream* from a first pass over every file.

    Raises
    ------
    DataError
        The folder does not exist, or a file has not the format of its ending.
    """
    parts = []
    for chunk in location.references(stream.folder):
        assert isinstance(chunk, file_chunks.Chunk)  # a folder has no others
        decoded = decode.decode(stream.schema, stream.role, chunk)
        times, bad = decoded.table[_TIME].to_numpy(), len(decoded.rejects)
        if len(times):
            sent_as_is = bad if _verbatim(stream, chunk) else 0
            parts.append(Part(chunk, int(times.min()), int(times.max()), len(times) + sent_as_is, bad - sent_as_is))
        elif bad:
            msg = f"no record of {chunk.path} can be read: {decoded.rejects[0].reason}"
            raise DataError(msg, hint="`leeway check` shows what is wrong; check that it is the right folder")
    return Plan(stream, parts)


def _verbatim(stream: Stream, chunk: file_chunks.Chunk) -> bool:
    return stream.to.format == "json" and chunk.format == "jsonl"


def messages(plan: Plan) -> Iterator[Message]:
    """Yield the messages of *plan* in order of time; only files that overlap in time are in memory together."""
    rows = _in_time_order(plan.parts, lambda part: _rows(plan.stream, part))
    if plan.stream.to.format == "arrow":
        for table in _batches(rows, plan.stream.batch):
            yield from publishing.messages(
                plan.stream.schema, plan.stream.role, table, plan.stream.to, plan.stream.batch
            )
        return
    for table in rows:
        columns = (table[name].to_pylist() for name in (_TIME, _KEY, _VALUE))
        yield from (Message(*row) for row in zip(*columns, strict=True))


def _rows(stream: Stream, part: Part) -> pa.Table:
    """Return the rows of *part* to send: decoded rows for columnar records, else time, key and value of each record."""
    decoded = decode.decode(stream.schema, stream.role, part.chunk)
    if stream.to.format == "arrow":
        return decoded.table
    if _verbatim(stream, part.chunk):
        return _lines(part.chunk, decoded)
    values = encode.records(stream.schema, stream.role, decoded.table, stream.to)
    return _keyed(decoded.table[_TIME].to_numpy(), decoded.table[decode.ID].to_pylist(), values)


def _lines(chunk: file_chunks.Chunk, decoded: decode.Decoded) -> pa.Table:
    """Return the lines of *chunk* unchanged; an unreadable line has no key, and the time of the line before it."""
    lines = chunk.read().split(b"\n")
    used = np.array([i for i, line in enumerate(lines) if line.strip()], np.int64)
    at = np.searchsorted(decoded.lines - chunk.first, used, side="right") - 1
    good = (at >= 0) & ((decoded.lines - chunk.first)[at] == used)
    times = decoded.table[_TIME].to_numpy()[np.maximum(at, 0)]
    ids = decoded.table[decode.ID].to_pylist()
    keys = [ids[row] if known else None for row, known in zip(at, good, strict=True)]
    return _keyed(times, keys, [lines[i] for i in used])


def _keyed(times: np.ndarray, ids: Sequence[str | None], values: Sequence[bytes]) -> pa.Table:  # type: ignore[type-arg]
    keys = [None if key is None else key.encode() for key in ids]
    return pa.table(
        {_TIME: pa.array(times, pa.int64()), _KEY: pa.array(keys, pa.binary()), _VALUE: pa.array(values, pa.binary())}
    )


def _in_time_order(parts: Sequence[Part], load: Callable[[Part], pa.Table]) -> Iterator[pa.Table]:
    """Yield the rows of *parts* in the order of their times; rows of one time stay in the order of the files."""
    waiting = sorted(enumerate(parts), key=lambda part: part[1].oldest)
    ends: list[int | None] = [*(part.oldest for _, part in waiting), None][1:]
    pending: list[pa.Table] = []
    for (place, part), end in zip(waiting, ends, strict=True):
        rows = load(part)
        rows = rows.append_column(_PLACE, pa.array(np.full(rows.num_rows, place)))
        table = pa.concat_tables([*pending, rows]).combine_chunks()
        order = np.lexsort((table[_PLACE].to_numpy(), table[_TIME].to_numpy()))
        table = table.take(pa.array(order))
        cut = table.num_rows if end is None else int(np.searchsorted(table[_TIME].to_numpy(), end))
        pending = [table.slice(cut)]
        if cut:
            yield table.slice(0, cut).drop_columns(_PLACE)


def _batches(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """Yield the rows of *tables*, *size* at a time; the last are fewer."""
    pending: pa.Table | None = None
    for table in tables:
        pending = table if pending is None else pa.concat_tables([pending, table])
        while pending.num_rows >= size:
            yield pending.slice(0, size)
            pending = pending.slice(size)
    if pending is not None and pending.num_rows:
        yield pending


def merged(plans: Sequence[tuple[TopicFormat, Plan]]) -> Iterator[tuple[TopicFormat, Message]]:
    """Yield the messages of all *plans* in the order of their times, each with its topic."""
    return heapq.merge(*(_tagged(outlet, one) for outlet, one in plans), key=lambda pair: pair[1].time)


def _tagged(outlet: TopicFormat, one: Plan) -> Iterator[tuple[TopicFormat, Message]]:
    for message in messages(one):
        yield outlet, message


def paced(
    items: Iterable[tuple[TopicFormat, Message]],
    speed: timedelta | None,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Iterator[tuple[TopicFormat, Message]]:
    """Yield *items* at *speed*, event time per second of *clock*; None is as fast as possible."""
    first, started = None, clock()
    for outlet, message in items:
        if speed is not None:
            first = message.time if first is None else first
            early = started + (message.time - first) / to_ms(speed) - clock()
            if early > 0:
                sleep(early)
        yield outlet, message
