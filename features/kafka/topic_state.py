"""What a broker says of a topic: its identity, which a topic of the same name that is made anew does not have."""

from __future__ import annotations

from dataclasses import dataclass

from features.kafka import connections


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic's *identity*, and whether records are deleted once there is a newer one of the same key."""

    identity: str
    compacted: bool


def read(bootstrap: str, topic: str) -> TopicState:
    """Return the state of a topic that is there.

    Raises
    ------
    BrokerError
        Kafka does not answer, or refuses.
    """
    with connections.admin(bootstrap) as client:
        (found,) = client.describe_topics([topic])
        configs = client.describe_configs([connections.resource(topic)], config_filter="all")["topic"][topic]
        return TopicState(str(found.get("topic_id", "")), "compact" in configs["cleanup.policy"]["value"])
