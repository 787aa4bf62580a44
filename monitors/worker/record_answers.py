"""What a function of records gives: events to send, dead letters, and a line of progress, as rows for Flink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from features.events.publishing import Message
from features.kafka.records import Records


@dataclass(frozen=True, slots=True)
class Answers:
    """What a batch of records gives.

    Parameters
    ----------
    messages
        Events to send, in no more messages than there were records.
    digest
        The sha256 of the model file that made them.
    letters
        Dead letters (:func:`monitors.worker.decoding.record_letters`).
    progress
        A line of progress (JSON).
    """

    messages: Sequence[Message]
    digest: str
    letters: list[str]
    progress: str


Answer = Callable[[Records], Answers]


class RecordFunction(Protocol):
    """A function of records that travels to workers."""

    def open(self) -> Answer:
        """Return what is called with each batch of records: called once in a worker."""
        ...


def frame(answers: Answers, rows: int) -> pd.DataFrame:
    """Return answers as *rows* rows: at_ms, k, v and digest of a message each, letters and progress in the first.

    A row without a message has no v.
    """
    sent, none = answers.messages, np.full(rows, None, object)
    at, key, value, letters, progress = np.zeros(rows, np.int64), none, none.copy(), none.copy(), none.copy()
    at[: len(sent)] = [message.time for message in sent]
    key[: len(sent)] = [message.key and message.key.decode() for message in sent]
    value[: len(sent)] = [message.value for message in sent]
    letters[0], progress[0] = answers.letters, answers.progress
    return pd.DataFrame({"at_ms": at, "k": key, "v": value, "digest": answers.digest, "letters": letters,
                         "progress": progress})  # fmt: skip
