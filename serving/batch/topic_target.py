"""Predictions of parts into a topic: each part in one transaction, and only once, whatever is killed in between."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from features.events import encode, publishing, sent_parts
from features.events.publishing import TopicFormat
from features.events.sent_parts import SentPart
from features.files.whole_file import write_whole
from features.schema import EventSchema, Source
from serving import offline


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
        sent = SentPart(
            transaction=f"leeway.predict.{self.run}.{part}", mark=f"{self.run}/{part}".encode(),
            note=receipts / f"{part}.sending.json", headers=((encode.DIGEST, digest.encode()),),
        )  # fmt: skip
        messages = publishing.messages(
            schema, "predictions", offline.finite(predictions), self.to, more={encode.DIGEST: digest}
        )
        sent_parts.send_once(self.to, self.outlet, sent, messages)
        write_whole(sent_path(receipts, part), b"{}")
