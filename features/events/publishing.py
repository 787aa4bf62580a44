"""Publishing events to Kafka: topics created with unlimited retention, and delivery of every record or an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from features import errors
from features.events import decode, encode
from features.kafka import connections
from features.schema import EventSchema, Role, Source
from features.topic import RecordFormat
from features.window import to_ms

RETAIN_FOREVER = -1
"""`retention.ms` of a topic that is never emptied: Kafka deletes by a record's own time, and events may be years
old."""


@dataclass(frozen=True, slots=True)
class Message:
    """A Kafka record to be written.

    Parameters
    ----------
    time
        Its timestamp, in milliseconds: the event's, or the newest event's in a columnar record.
    key
        Decides the partition; records without a key go to the partitions in turn.
    value
        The encoded event or events.
    events
        How many events it contains.
    """

    time: int
    key: bytes | None
    value: bytes
    events: int = 1


EVENTS_PER_RECORD = 1000
"""Events in a columnar record by default."""


def messages(
    schema: EventSchema,
    role: Role,
    table: pa.Table,
    to: Source,
    batch: int = EVENTS_PER_RECORD,
    more: Mapping[str, str] | None = None,
) -> Iterator[Message]:
    """Yield the events of a decoded table as messages in the order of their times.

    Parameters
    ----------
    schema
        The model's event schema.
    role
        Whether the rows are predictions, labels or requests.
    table
        A decoded table.
    to
        The topic, with its record format.
    batch
        Events in a record, where the format is columnar.
    more
        Further columns, as :func:`features.events.encode.records` takes them.

    Raises
    ------
    DataError
        An event does not fit the Avro schema.
    """
    times = table[decode.TIME].to_numpy()
    ordered = table.take(pa.array(np.argsort(times, kind="stable")))
    if to.format == "arrow":
        for start in range(0, ordered.num_rows, batch):
            some = ordered.slice(start, batch)
            (value,) = encode.records(schema, role, some, to, more)
            yield Message(some[decode.TIME][-1].as_py(), None, value, some.num_rows)
        return
    columns = (
        ordered[decode.TIME].to_pylist(),
        ordered[decode.ID].to_pylist(),
        encode.records(schema, role, ordered, to, more),
    )
    for time, key, value in zip(*columns, strict=True):
        yield Message(time, key.encode(), value)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's state: its partitions and its retention (ms; None is unlimited)."""

    name: str
    partitions: int
    retention_ms: int | None


def ensure(bootstrap: str, topic: str, partitions: int, retention_ms: int = RETAIN_FOREVER) -> Topic:
    """Return a topic, which is created if it does not exist.

    Parameters
    ----------
    bootstrap
        Kafka's address, see :mod:`features.kafka_address`.
    topic
        Its name.
    partitions
        Number of partitions, if it is created.
    retention_ms
        Retention in milliseconds, if it is created; by default unlimited.

    Raises
    ------
    BrokerError
        Kafka does not answer or refuses.
    """
    with connections.admin(bootstrap) as client:
        if topic not in client.list_topics():
            configs = {
                "retention.ms": str(retention_ms),
                "retention.bytes": "-1",
                "message.timestamp.type": "CreateTime",
            }
            wanted = {"num_partitions": partitions, "replication_factor": -1, "configs": configs}
            client.create_topics({topic: wanted}, wait_for_metadata=True)
        (found,) = client.describe_topics([topic])
        return Topic(topic, len(found["partitions"]), _retention(client, topic))


def _retention(client: Any, topic: str) -> int | None:
    found = client.describe_configs([connections.resource(topic)], config_filter="all")
    value = int(found["topic"][topic]["retention.ms"]["value"])
    return None if value < 0 else value


def check_retention(topic: Topic, oldest: datetime, now: datetime) -> None:
    """Check that *topic* would not delete an event as old as *oldest* as soon as it is written.

    Raises
    ------
    BrokerError
        It would.
    """
    if topic.retention_ms is not None and to_ms(now - oldest) > topic.retention_ms:
        days = topic.retention_ms / 86_400_000
        msg = f"topic {topic.name} deletes what is {days:g} days old; the events begin in {oldest:%B %Y}"
        raise errors.BrokerError(msg, hint=f"set retention.ms={RETAIN_FOREVER} on it, or name a new topic")


@dataclass(frozen=True, slots=True)
class TopicFormat:
    """A topic to publish to, and the format of its records, which the header ``content-type`` names."""

    topic: Topic
    format: RecordFormat


def send(bootstrap: str, messages: Iterable[tuple[TopicFormat, Message]]) -> Iterator[int]:
    """Send messages in their order; yield the number of events in each as it is handed to the client.

    When the iteration ends, all have been delivered, each once.

    Raises
    ------
    BrokerError
        A message could not be delivered; those before it may have been.
    """
    with connections.producer(bootstrap) as client:
        yield from delivered(client, messages)


def delivered(
    client: Any, messages: Iterable[tuple[TopicFormat, Message]], headers: Sequence[tuple[str, bytes]] = ()
) -> Iterator[int]:
    """Yield the number of events in each message as it is handed to the client; in the end all are delivered.

    Parameters
    ----------
    client
        An open producer.
    messages
        Messages in their order, each with its topic.
    headers
        Further headers of each.

    Raises
    ------
    KafkaError
        One could not be delivered.
    """
    failed: list[Exception] = []
    turn: dict[str, int] = {}
    for outlet, message in messages:
        name, own = outlet.topic.name, [("content-type", encode.CONTENT[outlet.format].encode()), *headers]
        partition = None
        if message.key is None:
            partition = turn.get(name, 0)
            turn[name] = (partition + 1) % outlet.topic.partitions
        future = client.send(
            name, message.value, key=message.key, headers=own, partition=partition, timestamp_ms=message.time
        )
        future.add_errback(failed.append)
        _raise_first(failed)
        yield message.events
    client.flush(timeout=3 * connections.TIMEOUT_MS / 1000)
    _raise_first(failed)


def _raise_first(failed: list[Exception]) -> None:
    if failed:
        raise failed[0]
