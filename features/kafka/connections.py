"""Connections to Kafka: opened for a while, waited for no longer than a while, their errors said in words."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from features import errors, kafka_address
from features.kafka_address import KafkaAddress

PATIENCE_MS = 10_000
"""How long a broker may take to answer, or to go on, before it counts as gone."""

_AWAY = "is it running (`leeway up`), and is that its address?"
_UNKNOWN = "is it running, are address, certificates, user and password right? the broker's log says what it refuses"
"""What to look at where there is TLS or a password: a broker that does not know its client just hangs up."""

# Flink's Python workers, where they run in this process, set the root logger to INFO, at which kafka-python tells of
# every connection.
logging.getLogger("kafka").setLevel(logging.WARNING)


@contextmanager
def consumer(bootstrap: str, **options: Any) -> Iterator[Any]:
    """Open a consumer of committed records at *bootstrap*, an address as in :mod:`features.kafka_address`.

    It belongs to no group and commits nothing unless *options* (as kafka-python names them) say so.

    Raises:
        BrokerError: nobody answers there.
    """
    import kafka  # only where a topic is used, and it takes long to import

    defaults = {"auto_offset_reset": "none", "enable_auto_commit": False, "isolation_level": "read_committed",
                "allow_auto_create_topics": False, "fetch_max_wait_ms": 100,
                "max_partition_fetch_bytes": 16 << 20, **_patience()}  # fmt: skip
    with _told(bootstrap):
        client = kafka.KafkaConsumer(**_of(bootstrap, KafkaAddress.client), **{**defaults, **options})
        try:
            yield client
        finally:
            client.close(autocommit=False, timeout_ms=1000)


@contextmanager
def producer(bootstrap: str, **options: Any) -> Iterator[Any]:
    """Open a producer that delivers everything before the block ends, each record once and in order.

    Raises:
        BrokerError: nobody answers, or something could not be delivered in time.
    """
    import kafka  # as above

    defaults = {"acks": "all", "enable_idempotence": True, "linger_ms": 20, "batch_size": 1 << 18,
                "max_request_size": 16 << 20, "delivery_timeout_ms": 3 * PATIENCE_MS, "max_block_ms": 3 * PATIENCE_MS,
                **_patience()}  # fmt: skip
    with _told(bootstrap):
        client = kafka.KafkaProducer(**_of(bootstrap, KafkaAddress.client), **{**defaults, **options})
        try:
            yield client
            client.flush(timeout=3 * PATIENCE_MS / 1000)
        finally:
            client.close(timeout=1)


@contextmanager
def admin(bootstrap: str) -> Iterator[Any]:
    """Open an administrator of the broker at *bootstrap*. Raises BrokerError if nobody answers."""
    import kafka  # as above

    with _told(bootstrap):
        client = kafka.KafkaAdminClient(**_of(bootstrap, KafkaAddress.client), **_patience())
        try:
            yield client
        finally:
            client.close()


def partition(topic: str, number: int) -> Any:
    """Return what kafka-python calls a partition."""
    import kafka  # as above

    return kafka.TopicPartition(topic, number)


def resource(topic: str) -> Any:
    """Return what kafka-python calls a topic whose configuration is asked for."""
    from kafka.admin import ConfigResource, ConfigResourceType  # as above

    return ConfigResource(ConfigResourceType.TOPIC, topic)


def partitions(client: Any, bootstrap: str, topic: str) -> list[int]:
    """Return the numbers of the partitions of *topic*, as a consumer *client* sees them.

    Raises:
        BrokerError: there is no such topic; the message names the one that was perhaps meant.
    """
    found = client.partitions_for_topic(topic)
    if found:
        return sorted(found)
    close = difflib.get_close_matches(topic, client.topics(), n=1)
    guess = f"; did you mean `{close[0]}`?" if close else ""
    msg = f"there is no topic {topic} at {kafka_address.shown(bootstrap)}{guess}"
    raise errors.BrokerError(msg, hint="`leeway produce` makes it, or mend events.*.topic in the project file")


def _patience() -> dict[str, int]:
    return {"bootstrap_timeout_ms": PATIENCE_MS, "request_timeout_ms": PATIENCE_MS, "reconnect_backoff_max_ms": 1000}


def must_be_set(address: str, what: str, hint: str) -> None:
    """Raise BrokerError where *address* is still ``env:NAME``; *what* is there, and *hint* has a place for the name."""
    if address.startswith("env:"):
        name = address.removeprefix("env:")
        msg = f"the address of {what} is in the environment variable {name}, which is not set"
        raise errors.BrokerError(msg, hint=hint.format(name))


def properties(bootstrap: str, shaded: str) -> dict[str, str]:
    """Return what Kafka's Java client, whose classes' names begin with *shaded*, is to be told.

    Raises:
        BrokerError: *bootstrap* is no address, or its password's variable is not set.
    """
    return _of(bootstrap, lambda address: address.properties(shaded))


def _of(bootstrap: str, told: Callable[[KafkaAddress], dict[str, Any]]) -> dict[str, Any]:
    must_be_set(bootstrap, "Kafka", "start the stack with `leeway up`, or export {}=host:port")
    if not bootstrap:
        msg = "the events are in a Kafka topic, but the project file does not say where Kafka is"
        raise errors.BrokerError(msg, hint="add kafka: {bootstrap: host:port}")
    try:
        return told(kafka_address.parse(bootstrap))
    except ValueError as error:
        hint = "see `kafka.bootstrap` in the project file, and the variables that it names"
        raise errors.BrokerError(str(error), hint=hint) from error


@contextmanager
def _told(bootstrap: str) -> Iterator[None]:
    from kafka import errors as kafka_errors  # as above

    try:
        yield
    except (kafka_errors.KafkaConnectionError, kafka_errors.KafkaTimeoutError, OSError) as error:
        msg = f"Kafka at {kafka_address.shown(bootstrap)} does not answer: {error}"
        raise errors.BrokerAway(msg, hint=_UNKNOWN if "://" in bootstrap else _AWAY) from error
    except kafka_errors.KafkaError as error:
        msg = f"Kafka at {kafka_address.shown(bootstrap)} refuses: {error}"
        # One that has just started does not lead its partitions yet, and refuses until it does.
        kind = errors.BrokerAway if error.retriable else errors.BrokerError
        raise kind(msg, hint="see the broker's log") from error
