"""Kafka connections: clients with time limits, and their errors as Leeway's own with a hint."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from features import errors, kafka_address
from features.kafka_address import KafkaAddress

TIMEOUT_MS = 10_000
"""Time that a broker may take to answer, or to continue, before it counts as away."""

_AWAY = "is it running (`leeway up`), and is that its address?"
_UNKNOWN = "is it running, are address, certificates, user and password right? the broker's log says what it refuses"
"""Hint where TLS or a password is in use: a broker that rejects its client just closes the connection."""

# Flink's Python workers, where they run in this process, set the root logger to INFO, at which kafka-python logs
# every connection.
logging.getLogger("kafka").setLevel(logging.WARNING)


@contextmanager
def consumer(bootstrap: str, **options: Any) -> Iterator[Any]:
    """Open a consumer of committed records; it belongs to no group and commits nothing by default.

    Parameters
    ----------
    bootstrap
        Kafka's address, see :mod:`features.kafka_address`.
    options
        Further settings, as kafka-python names them.

    Raises
    ------
    BrokerError
        Kafka does not answer or refuses.
    """
    import kafka  # only where a topic is used, and it takes long to import

    defaults = {"auto_offset_reset": "none", "enable_auto_commit": False, "isolation_level": "read_committed",
                "allow_auto_create_topics": False, "fetch_max_wait_ms": 100,
                "max_partition_fetch_bytes": 16 << 20, **_timeouts()}  # fmt: skip
    with _translated(bootstrap):
        client = kafka.KafkaConsumer(
            **_client_settings(bootstrap, KafkaAddress.python_options), **{**defaults, **options}
        )
        try:
            yield client
        finally:
            client.close(autocommit=False, timeout_ms=1000)


@contextmanager
def producer(bootstrap: str, **options: Any) -> Iterator[Any]:
    """Open a producer that delivers everything before the block ends, each record once and in order.

    Parameters
    ----------
    bootstrap
        Kafka's address, see :mod:`features.kafka_address`.
    options
        Further settings, as kafka-python names them.

    Raises
    ------
    BrokerError
        Kafka does not answer, or a record could not be delivered in time.
    """
    import kafka  # as above

    defaults = {"acks": "all", "enable_idempotence": True, "linger_ms": 20, "batch_size": 1 << 18,
                "max_request_size": 16 << 20, "delivery_timeout_ms": 3 * TIMEOUT_MS, "max_block_ms": 3 * TIMEOUT_MS,
                **_timeouts()}  # fmt: skip
    with _translated(bootstrap):
        client = kafka.KafkaProducer(
            **_client_settings(bootstrap, KafkaAddress.python_options), **{**defaults, **options}
        )
        try:
            yield client
            client.flush(timeout=3 * TIMEOUT_MS / 1000)
        finally:
            client.close(timeout=1)


@contextmanager
def admin(bootstrap: str) -> Iterator[Any]:
    """Open an administration client of the broker at *bootstrap*.

    Raises
    ------
    BrokerError
        Kafka does not answer or refuses.
    """
    import kafka  # as above

    with _translated(bootstrap):
        client = kafka.KafkaAdminClient(**_client_settings(bootstrap, KafkaAddress.python_options), **_timeouts())
        try:
            yield client
        finally:
            client.close()


def partition(topic: str, number: int) -> Any:
    """Return kafka-python's ``TopicPartition``."""
    import kafka  # as above

    return kafka.TopicPartition(topic, number)


def resource(topic: str) -> Any:
    """Return kafka-python's ``ConfigResource`` of a topic."""
    from kafka.admin import ConfigResource, ConfigResourceType  # as above

    return ConfigResource(ConfigResourceType.TOPIC, topic)


def partitions(client: Any, bootstrap: str, topic: str) -> list[int]:
    """Return the numbers of a topic's partitions.

    Parameters
    ----------
    client
        An open consumer.
    bootstrap
        Kafka's address, for the message.
    topic
        The topic.

    Raises
    ------
    BrokerError
        There is no such topic; the message suggests one with a similar name.
    """
    found = client.partitions_for_topic(topic)
    if found:
        return sorted(found)
    close = difflib.get_close_matches(topic, client.topics(), n=1)
    guess = f"; did you mean `{close[0]}`?" if close else ""
    msg = f"there is no topic {topic} at {kafka_address.redacted(bootstrap)}{guess}"
    hint = "create it (`leeway produce` makes those of events), or correct `topic` of its source in the project file"
    raise errors.BrokerError(msg, hint=hint)


def _timeouts() -> dict[str, int]:
    return {"bootstrap_timeout_ms": TIMEOUT_MS, "request_timeout_ms": TIMEOUT_MS, "reconnect_backoff_max_ms": 1000}


def must_be_set(address: str, what: str, hint: str) -> None:
    """Check that an address is not ``env:NAME`` of a variable that is not set.

    Parameters
    ----------
    address
        The address, with variables filled in as far as they are set.
    what
        What is at the address, for the message.
    hint
        How to set it, with ``{}`` in place of the variable.

    Raises
    ------
    BrokerError
        It is.
    """
    if address.startswith("env:"):
        name = address.removeprefix("env:")
        msg = f"the address of {what} is in the environment variable {name}, which is not set"
        raise errors.BrokerError(msg, hint=hint.format(name))


def properties(bootstrap: str, shaded: str) -> dict[str, str]:
    """Return the connection's properties for Kafka's Java client.

    Parameters
    ----------
    bootstrap
        Kafka's address, see :mod:`features.kafka_address`.
    shaded
        Prefix of the client's class names.

    Raises
    ------
    BrokerError
        `bootstrap` is no address, or its password's variable is not set.
    """
    return _client_settings(bootstrap, lambda address: address.java_properties(shaded))


def _client_settings(bootstrap: str, settings: Callable[[KafkaAddress], dict[str, Any]]) -> dict[str, Any]:
    must_be_set(bootstrap, "Kafka", "start the stack with `leeway up`, or export {}=host:port")
    if not bootstrap:
        msg = "the events are in a Kafka topic, but the project file does not say where Kafka is"
        raise errors.BrokerError(msg, hint="add kafka: {bootstrap: host:port}")
    try:
        return settings(kafka_address.parse(bootstrap))
    except ValueError as error:
        hint = "see `kafka.bootstrap` in the project file, and the variables that it names"
        raise errors.BrokerError(str(error), hint=hint) from error


@contextmanager
def _translated(bootstrap: str) -> Iterator[None]:
    """Raise kafka-python's errors as :class:`~features.errors.BrokerAway` (try again) or BrokerError (refused)."""
    from kafka import errors as kafka_errors  # as above

    try:
        yield
    except (kafka_errors.KafkaConnectionError, kafka_errors.KafkaTimeoutError, OSError) as error:
        msg = f"Kafka at {kafka_address.redacted(bootstrap)} does not answer: {error}"
        raise errors.BrokerAway(msg, hint=_UNKNOWN if "://" in bootstrap else _AWAY) from error
    except kafka_errors.KafkaError as error:
        msg = f"Kafka at {kafka_address.redacted(bootstrap)} refuses: {error}"
        # One that has just started does not lead its partitions yet, and refuses until it does.
        kind = errors.BrokerAway if error.retriable else errors.BrokerError
        raise kind(msg, hint="see the broker's log") from error
