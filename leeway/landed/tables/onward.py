"""Rows of a labels table on their way into a topic, where the model's predictions are in one.

Jobs over topics read labels as a topic, with a clock of its own. So each file of rows that landed goes on into one, in
one transaction, once. A row that is no label goes on as it is: who reads the topic sets it aside with the reason, as in
any other topic.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from features.events import decode, location, publishing, sent_parts
from features.events.publishing import Message, TopicFormat
from features.events.sent_parts import SentPart
from features.files.whole_file import write_whole
from leeway.landed import numbered_files
from leeway.project.landed import LandedTable, Onward

_PARTITIONS = 1
"""Of the topic: the rows of one query come in the order of the table's key."""


def send_new(table: LandedTable, onward: Onward) -> None:
    """Send the rows of files that have landed since the last call; no other process may do so meanwhile.

    Parameters
    ----------
    table
        The table, whose files are read.
    onward
        The topic, which is created where it is missing, and kept for ever: a table's rows are.

    Raises
    ------
    BrokerError
        Kafka does not answer or refuses; BrokerAway where that may pass. What was sent by then is not sent again.
    """
    sent = _newest_sent(table)
    if sent is not None and numbered_files.is_newest(table.folder, sent):
        return
    waiting = [path for path in numbered_files.paths(table.folder) if numbered_files.number(path) > (sent or 0)]
    topic = publishing.ensure(onward.to.bootstrap, onward.to.topic or "", _PARTITIONS)
    outlet, note, source = TopicFormat(topic, onward.to.format), table.folder / "sending.json", table.folder.name
    for path in waiting:
        part = SentPart(f"leeway.landed.{source}", f"{source}/{path.stem}".encode(), note)
        sent_parts.send_once(onward.to, outlet, part, _messages(path, onward))
        _note_sent(table, numbered_files.number(path))
        note.unlink()
    if sent is None and not waiting:
        _note_sent(table, 0)


def _newest_sent(table: LandedTable) -> int | None:
    """Return the number of the newest file whose rows are in the topic; None where there may be no topic."""
    try:
        return int(json.loads(_path(table).read_bytes())["newest"])
    except FileNotFoundError:
        return None


def _note_sent(table: LandedTable, number: int) -> None:
    write_whole(_path(table), json.dumps({"newest": number}).encode())


def _path(table: LandedTable) -> Path:
    """Return where the number stands: among the files, so that whoever removes these has all rows sent again."""
    return table.folder / "sent.json"


def _messages(path: Path, onward: Onward) -> Iterator[Message]:
    """Yield the rows of a file as messages, in the order of their times; those that are no labels come last."""
    first = 0
    for chunk in location.references(path):
        decoded = decode.decode(onward.schema, "labels", chunk)
        yield from publishing.messages(onward.schema, "labels", decoded.table, onward.to)
        times = decoded.table[decode.TIME].to_pylist()
        first = min([*times, *([first] if first else [])], default=0)
        for letter in decoded.rejects:
            yield Message(first, None, letter.raw.encode())
