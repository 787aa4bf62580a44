"""What a broker says of a topic: its identity, which one made anew under its name does not share, and compaction."""

from __future__ import annotations

from features.kafka import connections


def identity(bootstrap: str, topic: str) -> str:
    """Return the identity of a topic that is there.

    Raises
    ------
    BrokerError
        Kafka does not answer, or refuses.
    """
    with connections.admin(bootstrap) as client:
        (described,) = client.describe_topics([topic])
        return str(described.get("topic_id", ""))


def is_compacted(bootstrap: str, topic: str) -> bool:
    """Return whether records are deleted once there is a newer one of the same key.

    Raises
    ------
    BrokerError
        Kafka does not answer, or refuses.
    """
    with connections.admin(bootstrap) as client:
        configs = client.describe_configs([connections.resource(topic)], config_filter="all")["topic"][topic]
        return "compact" in configs["cleanup.policy"]["value"]
