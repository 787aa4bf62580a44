"""Events sent to a topic in one transaction of Kafka, which is committed once, whatever becomes of its sender."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from features.events import publishing
from features.kafka import connections


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction of Kafka.

    Parameters
    ----------
    name
        Its name: who begins one ends whatever was begun under the same name before.
    headers
        Further headers of its records.
    is_committed
        Whether an earlier transaction of the name was committed; it is called once none can be any more.
    """

    name: str
    headers: Sequence[tuple[str, bytes]]
    is_committed: Callable[[], bool]


TRANSACTION_MS = 300_000
"""How long a transaction may be open (ms). While it is, readers of committed records wait at its beginning."""


def send_whole(
    bootstrap: str, to: publishing.TopicFormat, messages: Iterable[publishing.Message], transaction: Transaction
) -> None:
    """Send messages in one transaction, unless it was committed before: readers see all of them or none.

    A transaction that is not committed, whatever the reason, ends when the next one of its name begins, or after
    :data:`TRANSACTION_MS`.

    Raises
    ------
    BrokerError
        A message could not be delivered, or the transaction not be committed.
    """
    named = {"transactional_id": transaction.name, "transaction_timeout_ms": TRANSACTION_MS}
    with connections.producer(bootstrap, **named) as client:
        client.init_transactions()
        if transaction.is_committed():
            return
        client.begin_transaction()
        for _ in publishing.delivered(client, ((to, message) for message in messages), transaction.headers):
            pass
        client.commit_transaction()
