"""Predictions of parts into a topic: each part in one transaction, and only once, whatever is killed in between.

Between the commit of a part and the mark that it was sent, a process may end. Before the first attempt the ends of the
topic are noted; whoever tries again ends what was begun under the part's name, and then looks for the part from there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from features.events import encode, publishing, transaction
from features.events.publishing import TopicFormat
from features.events.transaction import Transaction
from features.kafka import offset_ranges
from features.kafka.offset_ranges import Range
from features.schema import EventSchema, Source
from registry.files import artifacts
from serving import offline

PART = "leeway.part"
"""Header of a prediction that a run has sent: the run and the part that it comes from."""


def sent_path(receipts: Path, part: str) -> Path:
    """Return the path of the mark that a part was sent, in the folder of receipts."""
    return receipts / f"{part}.sent.json"


@dataclass(frozen=True, slots=True)
class TopicTarget:
    """A topic that takes the predictions of a run.

    Parameters
    ----------
    to
        The topic, as the project file has it.
    outlet
        The topic, as it is at the broker.
    run
        Identifies the run.
    """

    to: Source
    outlet: TopicFormat
    run: str

    def send(self, schema: EventSchema, receipts: Path, part: str, predictions: pa.Table, digest: str) -> None:
        """Send the predictions of a part, unless they were sent, and mark it.

        Parameters
        ----------
        schema
            The model's events.
        receipts
            The folder of receipts.
        part
            The part's name.
        predictions
            A decoded table.
        digest
            The sha256 of the model file that made them.

        Raises
        ------
        BrokerError
            Kafka does not answer or refuses; or a transaction of somebody else is open in the topic for so long that
            it cannot be known whether the part was sent.
        """
        note, mark = receipts / f"{part}.sending.json", f"{self.run}/{part}".encode()
        tried = note.exists()
        if not tried:
            artifacts.write_whole(note, json.dumps(self._ends()).encode())
        messages = publishing.messages(
            schema, "predictions", offline.finite(predictions), self.to, more={encode.DIGEST: digest}
        )
        transaction.send_whole(self.to.bootstrap, self.outlet, messages, Transaction(
            f"leeway.predict.{self.run}.{part}", ((encode.DIGEST, digest.encode()), (PART, mark)),
            lambda: tried and self._is_there(json.loads(note.read_bytes()), mark),
        ))  # fmt: skip
        artifacts.write_whole(sent_path(receipts, part), b"{}")

    def _ends(self) -> dict[str, int]:
        """Return the offset after the last record by partition, records of open transactions included."""
        offsets = offset_ranges.offsets_by_partition(self.to.bootstrap, self.to.topic or "", committed=False)
        return {str(number): end for number, (_, end) in offsets.items()}

    def _is_there(self, since: dict[str, int], mark: bytes) -> bool:
        """Return whether a part's records are among the committed ones from noted offsets on."""
        for number, end in self._ends().items():
            start, topic = since.get(number, 0), self.to.topic or ""
            wanted = Range(self.to.bootstrap, topic, int(number), start, end, self.to.format)
            if start < end and any((PART, mark) in record.headers for record in offset_ranges.stream(wanted)):
                return True
        return False
