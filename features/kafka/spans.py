"""Spans of offsets of several partitions, read by one consumer: to their ends, or an error where nothing comes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from features import errors, kafka_address
from features.kafka import connections


def read(client: Any, bootstrap: str, topic: str, wanted: Mapping[int, tuple[int, int]]) -> Iterator[Any]:
    """Yield the records of several partitions as kafka-python returns them, those of each partition in their order.

    Parameters
    ----------
    client
        An open consumer.
    bootstrap
        Kafka's address, for the message.
    topic
        The topic.
    wanted
        First offset and the one after the last, by partition.

    Raises
    ------
    BrokerError
        Kafka stops sending for :data:`~features.kafka.connections.TIMEOUT_MS`.
    """
    stops = {connections.partition(topic, number): stop for number, (start, stop) in wanted.items() if start < stop}
    at = {part: wanted[part.partition][0] for part in stops}
    client.assign(list(stops))
    for part, start in at.items():
        client.seek(part, start)
    moved = time.monotonic()
    while at:
        batches = client.poll(timeout_ms=200)
        yield from (record for part, batch in batches.items() for record in batch if record.offset < stops[part])
        now = {part: client.position(part, timeout_ms=1000) or before for part, before in at.items()}
        if now != at:
            moved = time.monotonic()
        elif time.monotonic() - moved > connections.TIMEOUT_MS / 1000:
            part, before = next(iter(at.items()))
            msg = f"Kafka at {kafka_address.redacted(bootstrap)} sends nothing more of {topic}/{part.partition} "
            msg += f"from offset {before} on"
            raise errors.BrokerError(msg, hint=f"{stops[part] - before} records are still to come; is it running?")
        client.pause(*(part for part, reached in now.items() if reached >= stops[part]))
        at = {part: reached for part, reached in now.items() if reached < stops[part]}
