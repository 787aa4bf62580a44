"""What Flink's tables over Kafka topics have in common: where Kafka is, and how options are written."""

from __future__ import annotations

from collections.abc import Mapping

from features.kafka import connections

SHADED = "org.apache.flink.kafka.shaded."
"""Where the connector, which brings a Kafka client of its own, keeps that client's classes."""


def options(bootstrap: str, topic: str, more: Mapping[str, str]) -> str:
    """Return what stands in a table's WITH: the *topic* at *bootstrap*, the client's properties, and *more*.

    Raises:
        BrokerError: *bootstrap* is no address, or its password's variable is not set.
    """
    client = {f"properties.{key}": value for key, value in connections.properties(bootstrap, SHADED).items()}
    told = {"connector": "kafka", "topic": topic, **client, **more}
    return ", ".join(f"'{key}' = {_literal(value)}" for key, value in told.items())


def _literal(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
