"""Messages out to Kafka: topics made so that old events stay in them, and every record delivered or an error raised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from features import errors
from features.events import decode, encode
from features.kafka import connections
from features.schema import EventSchema, RecordFormat, Role, Source
from features.window import to_ms

KEEP = -1
"""Retention of a topic that is never emptied: Kafka deletes by a record's own time, and events may be years old."""


@dataclass(frozen=True, slots=True)
class Message:
    """A record to be written. *time* is its timestamp (ms): the event's, or the newest event's in a columnar record.

    *key* decides the partition; without one, records go round the partitions in turn.
    """

    time: int
    key: bytes | None
    value: bytes
    events: int = 1


BATCH = 1000
"""Events in a columnar record, unless somebody says otherwise."""


def messages(schema: EventSchema, role: Role, table: pa.Table, to: Source, batch: int = BATCH) -> Iterator[Message]:
    """Yield the events of a decoded *table* as messages of *to*'s format, in the order of their times.

    Raises:
        DataError: an event does not fit the Avro schema.
    """
    times = table[decode.TIME].to_numpy()
    ordered = table.take(pa.array(np.argsort(times, kind="stable")))
    if to.format == "arrow":
        for start in range(0, ordered.num_rows, batch):
            some = ordered.slice(start, batch)
            (value,) = encode.records(schema, role, some, to)
            yield Message(some[decode.TIME][-1].as_py(), None, value, some.num_rows)
        return
    columns = (
        ordered[decode.TIME].to_pylist(),
        ordered[decode.ID].to_pylist(),
        encode.records(schema, role, ordered, to),
    )
    for time, key, value in zip(*columns, strict=True):
        yield Message(time, key.encode(), value)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is: its partitions, how long it keeps records (ms; None is for ever), and whether it is new."""

    name: str
    partitions: int
    retention_ms: int | None
    made: bool


def ensure(bootstrap: str, topic: str, partitions: int, retention_ms: int = KEEP) -> Topic:
    """Return *topic*, made with so many *partitions* and that retention, by default for ever, if it is not there yet.

    Raises:
        BrokerError: Kafka does not answer or refuses.
    """
    with connections.admin(bootstrap) as client:
        made = topic not in client.list_topics()
        if made:
            configs = {
                "retention.ms": str(retention_ms),
                "retention.bytes": "-1",
                "message.timestamp.type": "CreateTime",
            }
            wanted = {"num_partitions": partitions, "replication_factor": -1, "configs": configs}
            client.create_topics({topic: wanted}, wait_for_metadata=True)
        (found,) = client.describe_topics([topic])
        return Topic(topic, len(found["partitions"]), _retention(client, topic), made)


def _retention(client: Any, topic: str) -> int | None:
    found = client.describe_configs([connections.resource(topic)], config_filter="all")
    value = int(found["topic"][topic]["retention.ms"]["value"])
    return None if value < 0 else value


def check_retention(topic: Topic, oldest: datetime, now: datetime) -> None:
    """Raise BrokerError if *topic* would delete an event as old as *oldest* as soon as it is written."""
    if topic.retention_ms is not None and to_ms(now - oldest) > topic.retention_ms:
        days = topic.retention_ms / 86_400_000
        msg = f"topic {topic.name} deletes what is {days:g} days old; the events begin in {oldest:%B %Y}"
        raise errors.BrokerError(msg, hint=f"set retention.ms={KEEP} on it, or name a new topic")


@dataclass(frozen=True, slots=True)
class TopicFormat:
    """One topic that messages are sent to, in a format that the header ``content-type`` names."""

    topic: Topic
    format: RecordFormat


def send(bootstrap: str, messages: Iterable[tuple[TopicFormat, Message]]) -> Iterator[int]:
    """Send *messages* in their order, and yield how many events each holds as it is handed over.

    All have been delivered, each once, when the iteration ends.

    Raises:
        BrokerError: one could not be delivered; those before it may have been.
    """
    failed: list[Exception] = []
    turn: dict[str, int] = {}
    with connections.producer(bootstrap) as client:
        for outlet, message in messages:
            name, headers = outlet.topic.name, [("content-type", encode.CONTENT[outlet.format].encode())]
            partition = None
            if message.key is None:
                partition = turn.get(name, 0)
                turn[name] = (partition + 1) % outlet.topic.partitions
            future = client.send(
                name, message.value, key=message.key, headers=headers, partition=partition, timestamp_ms=message.time
            )
            future.add_errback(failed.append)
            _raise(failed)
            yield message.events
        client.flush(timeout=3 * connections.PATIENCE_MS / 1000)
        _raise(failed)


def _raise(failed: list[Exception]) -> None:
    if failed:
        raise failed[0]
