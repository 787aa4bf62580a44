"""Offset ranges: topics cut into parts, as files are cut into chunks, that are read wherever they are needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from features import errors
from features.kafka import connections, spans
from features.kafka.records import Records
from features.schema import Source
from features.topic import RecordFormat

OFFSETS_PER_RANGE = {"json": 20_000, "avro": 20_000, "arrow": 50}
"""Offsets in a range, by record format; a columnar record contains many events."""


@dataclass(frozen=True, slots=True)
class Range:
    """The records of one partition with offsets in ``[start, stop)``.

    Parameters
    ----------
    bootstrap
        Kafka's address.
    topic
        The topic.
    partition
        The partition's number.
    start
        First offset.
    stop
        The offset after the last.
    format
        Format of the records.
    avro_schema
        As in :class:`features.kafka.records.Records`.
    registry
        As in :class:`features.kafka.records.Records`.
    """

    bootstrap: str
    topic: str
    partition: int
    start: int
    stop: int
    format: RecordFormat
    avro_schema: str = ""
    registry: str = ""

    @property
    def path(self) -> str:
        """The place of a bad record in messages, ``topic/partition``."""
        return f"{self.topic}/{self.partition}"

    def encode(self) -> str:
        """Return the range as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))


def ranges(source: Source, size: int | None = None, since: int | None = None) -> list[Range]:
    """Return all that a topic contains now, partition by partition.

    Records that are written later, or in a transaction that is still open, are not included.

    Parameters
    ----------
    source
        The topic.
    size
        Offsets in a range; by default :data:`OFFSETS_PER_RANGE`.
    since
        Timestamp (ms): a partition is read from its first record that is not older; None: from its beginning.

    Raises
    ------
    BrokerError
        Kafka does not answer, or there is no such topic.
    """
    step = size or OFFSETS_PER_RANGE[source.format]
    return [
        Range(source.bootstrap, source.topic or "", number, at, min(at + step, stop), source.format,
              source.avro_schema or "", source.schema_registry or "")
        for number, (start, stop) in offsets_by_partition(source.bootstrap, source.topic or "", since).items()
        for at in range(start, stop, step)
    ]  # fmt: skip


def head(wanted: Range, n: int) -> Range:
    """Return the first *n* offsets of *wanted*."""
    return replace(wanted, stop=min(wanted.stop, wanted.start + n))


def offsets_by_partition(
    bootstrap: str, topic: str, since: int | None = None, *, committed: bool = True
) -> dict[int, tuple[int, int]]:
    """Return the first offset that *topic* still has and the one after its last, by partition.

    Parameters
    ----------
    bootstrap
        Kafka's address.
    topic
        The topic.
    since
        Timestamp (ms): the first is that of the first record that is not older.
    committed
        Whether the last is that before which no transaction is open; else whatever has been written counts.

    Raises
    ------
    BrokerError
        Kafka does not answer, or there is no such topic.
    """
    level = "read_committed" if committed else "read_uncommitted"
    with connections.consumer(bootstrap, isolation_level=level) as client:
        parts = [connections.partition(topic, number) for number in connections.partitions(client, bootstrap, topic)]
        first, last = client.beginning_offsets(parts), client.end_offsets(parts)
        if since is not None:
            found = client.offsets_for_times(dict.fromkeys(parts, max(since, 0)), timeout_ms=connections.TIMEOUT_MS)
            first = {part: found[part].offset if found[part] else last[part] for part in parts}
        return {part.partition: (first[part], last[part]) for part in parts}


def fetch(wanted: Range) -> Records:
    """Return the records of *wanted*; offsets without a record, such as transaction markers, are left out.

    Raises
    ------
    BrokerError
        Kafka does not answer, stops sending for :data:`~features.kafka.connections.TIMEOUT_MS`, or has deleted some of
        the records.
    """
    got = list(stream(wanted))
    parts, offsets = [wanted.partition] * len(got), [record.offset for record in got]
    values = [record.value for record in got]
    return Records(wanted.topic, wanted.format, parts, offsets, values, wanted.avro_schema, wanted.registry)


def stream(wanted: Range) -> Iterator[Any]:
    """Yield the records of *wanted* as kafka-python returns them: offset, timestamp, key, value, headers.

    Raises
    ------
    BrokerError
        As for :func:`fetch`.
    """
    with connections.consumer(wanted.bootstrap, max_poll_records=5000) as client:
        _check(client, wanted, connections.partition(wanted.topic, wanted.partition))
        yield from spans.read(client, wanted.bootstrap, wanted.topic, {wanted.partition: (wanted.start, wanted.stop)})


def _check(client: Any, wanted: Range, part: Any) -> None:
    connections.partitions(client, wanted.bootstrap, wanted.topic)
    first = client.beginning_offsets([part])[part]
    if first > wanted.start:
        msg = f"{wanted.path} has lost the records from offset {wanted.start} up to {first} that were to be read"
        hint = "Kafka deletes by the records' timestamps: set retention.ms=-1 for a topic of old events"
        raise errors.BrokerError(msg, hint=hint)


def newest_records(bootstrap: str, topic: str, n: int) -> list[Any]:
    """Return the newest *n* records of *topic* by timestamp, oldest first, as kafka-python returns them.

    Raises
    ------
    BrokerError
        Kafka does not answer, or there is no such topic.
    """
    found: list[Any] = []
    for number, (start, stop) in offsets_by_partition(bootstrap, topic).items():
        if stop > start:
            found += stream(Range(bootstrap, topic, number, max(start, stop - n), stop, "json"))
    return sorted(found, key=lambda r: (r.timestamp, r.partition, r.offset))[-n:] if n else []


def follow(bootstrap: str, topic: str, starts: Mapping[int, int], going: Callable[[], bool]) -> Iterator[Any]:
    """Yield the records of a topic as they are committed.

    Parameters
    ----------
    bootstrap
        Kafka's address.
    topic
        The topic.
    starts
        First offset to read, by partition.
    going
        Called between polls; the iteration ends when it returns False.

    Raises
    ------
    BrokerError
        Kafka does not answer.
    """
    with connections.consumer(bootstrap) as client:
        parts = {connections.partition(topic, number): offset for number, offset in starts.items()}
        client.assign(list(parts))
        for part, offset in parts.items():
            client.seek(part, offset)
        while going():
            for batch in client.poll(timeout_ms=300).values():
                yield from batch


def committed_offsets(bootstrap: str, topic: str) -> dict[str, dict[int, int]]:
    """Return the committed offset of each consumer group in each partition of *topic*; other groups are left out.

    Raises
    ------
    BrokerError
        Kafka does not answer.
    """
    with connections.admin(bootstrap) as client:
        groups = [group["group_id"] for group in client.list_groups()]
        offsets = client.list_group_offsets(groups) if groups else {}
        found = {
            group: {part.partition: at.offset for part, at in some.items() if part.topic == topic and at.offset >= 0}
            for group, some in offsets.items()
        }
        return {group: some for group, some in sorted(found.items()) if some}
