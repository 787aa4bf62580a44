"""Kafka tables in Flink: connection and options as the WITH clause of a table."""

from __future__ import annotations

from collections.abc import Mapping

from features.kafka import connections

SHADED = "org.apache.flink.kafka.shaded."
"""Package of the Kafka client that the connector brings along."""


def options(bootstrap: str, topic: str, more: Mapping[str, str]) -> str:
    """Return the WITH clause of a table over a topic.

    Parameters
    ----------
    bootstrap
        Kafka's address.
    topic
        The topic.
    more
        Further options.

    Raises
    ------
    BrokerError
        `bootstrap` is no address, or its password's variable is not set.
    """
    client = {f"properties.{key}": value for key, value in connections.properties(bootstrap, SHADED).items()}
    settings = {"connector": "kafka", "topic": topic, **client, **more}
    return ", ".join(f"'{key}' = {_literal(value)}" for key, value in settings.items())


def _literal(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
