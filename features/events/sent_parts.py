"""Parts of events that are sent to a topic once each, whatever is killed in between.

Between the commit of a part and whatever its sender keeps of that, a process may end. Before the first attempt the ends
of the topic are noted in a file; whoever tries again ends what was begun under the part's name, and then looks for the
part from there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from features.events import transaction
from features.events.publishing import Message, TopicFormat
from features.events.transaction import Transaction
from features.files.whole_file import write_whole
from features.kafka import offset_ranges
from features.kafka.offset_ranges import Range
from features.schema import Source

PART = "leeway.part"
"""Header of a record that was sent as one of a part."""


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part of what a sender sends.

    Parameters
    ----------
    transaction
        Name of the transaction: who begins one ends what was begun under the same name before. Parts that are sent one
        after the other may share it.
    mark
        What the header :data:`PART` of its records says; no other part of the topic has it.
    note
        The file in which the ends of the topic before the first attempt stand; whoever knows that the part was sent may
        remove it.
    headers
        Further headers of its records.
    """

    transaction: str
    mark: bytes
    note: Path
    headers: Sequence[tuple[str, bytes]] = ()


def send_once(to: Source, outlet: TopicFormat, part: SentPart, messages: Iterable[Message]) -> None:
    """Send the messages of a part in one transaction, unless an earlier call did.

    Parameters
    ----------
    to
        The topic, as it is declared.
    outlet
        The topic, as it is at the broker.
    part
        The part.
    messages
        Its messages.

    Raises
    ------
    BrokerError
        Kafka does not answer or refuses; or a transaction of somebody else is open in the topic for so long that it
        cannot be known whether the part was sent.
    """
    tried = part.note.exists()
    if not tried:
        write_whole(part.note, json.dumps(_ends(to)).encode())
    named = Transaction(
        part.transaction,
        (*part.headers, (PART, part.mark)),
        lambda: tried and _is_there(to, json.loads(part.note.read_bytes()), part.mark),
    )
    transaction.send_whole(to.bootstrap, outlet, messages, named)


def _ends(to: Source) -> dict[str, int]:
    """Return the offset after the last record by partition, records of open transactions included."""
    offsets = offset_ranges.offsets_by_partition(to.bootstrap, to.topic or "", committed=False)
    return {str(number): end for number, (_, end) in offsets.items()}


def _is_there(to: Source, since: dict[str, int], mark: bytes) -> bool:
    """Return whether a part's records are among the committed ones from noted offsets on."""
    for number, end in _ends(to).items():
        start = since.get(number, 0)
        wanted = Range(to.bootstrap, to.topic or "", int(number), start, end, to.format)
        if start < end and any((PART, mark) in record.headers for record in offset_ranges.stream(wanted)):
            return True
    return False
