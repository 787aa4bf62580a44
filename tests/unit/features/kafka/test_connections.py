"""Kafka connections, without a broker."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from features import errors
from features.kafka import connections


def test_connections_are_not_told_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where somebody has set the root logger to INFO; warnings are told."""
    monkeypatch.setattr(logging.getLogger(), "level", logging.INFO)
    kafka = logging.getLogger("kafka.net.manager")

    assert (False, True) == (kafka.isEnabledFor(logging.INFO), kafka.isEnabledFor(logging.WARNING))


@pytest.mark.parametrize(("address", "hint"), [("env:BROKERS", "export BROKERS="), ("", "kafka: {bootstrap:")])
def test_an_address_that_is_not_known_is_named(address: str, hint: str) -> None:
    """Before anything is tried, with what would make it known."""
    with pytest.raises(errors.BrokerError) as told, connections.consumer(address):
        pass

    assert hint in str(told.value.hint)


def test_a_topic_that_is_not_there_is_mended_at_the_source_that_names_it() -> None:
    """Events and facts have topics: the hint holds for both."""
    client = SimpleNamespace(partitions_for_topic=lambda _: None, topics=lambda: {"orders"})
    with pytest.raises(errors.BrokerError, match=r"no topic order at .* did you mean `orders`") as told:
        connections.partitions(client, "127.0.0.1:9", "order")

    assert "correct `topic` of its source" in told.value.hint
