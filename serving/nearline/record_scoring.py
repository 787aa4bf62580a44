"""The function of the job over topics: a batch of requests is answered by the champion of that moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from features import user_code
from features.events import decode, encode, publishing
from features.events.publishing import Message
from features.events.requests import unanswered_predictions
from features.facts import lookup
from features.kafka.records import Records
from features.schema import Source
from monitors.worker import decoding
from monitors.worker.record_answers import Answers
from serving import offline
from serving.batch import row_answers
from serving.nearline.worker_model import WorkerModel


@dataclass(frozen=True, slots=True)
class RecordScoring:
    """What a worker needs for any batch.

    Parameters
    ----------
    model
        The model; its dead letters of facts are set aside, those of requests go to a topic.
    target
        The topic of predictions.
    project
        The folder of the project file, from which the user's own code is imported.
    """

    model: WorkerModel
    target: Source
    project: Path

    def open(self) -> Callable[[Records], Answers]:
        """Load the champion, and return what answers a batch of requests.

        Raises
        ------
        ArtifactError
            Its file is missing, altered or not trusted.
        """
        user_code.make_importable(self.project)
        return _Answerer(self)


class _Answerer:
    """Answers batches in one worker, by the champion that it has loaded."""

    def __init__(self, task: RecordScoring) -> None:
        self._model, self._target = task.model, task.target
        self._own, self._facts = task.model.loaded(), task.model.newest_facts()

    def __call__(self, records: Records) -> Answers:
        """Answer requests by the champion of now, with the facts of now."""
        self._own.follow()
        schema, champion = self._model.schema, self._own.champion
        decoded = decoding.decoded_records(schema, "requests", records, self._model.clock())
        requests = unanswered_predictions(schema, decoded)
        if self._facts:
            requests = replace(requests, table=lookup.with_missing(requests.table, self._facts.newest()))
        made, refused = row_answers.answered(self._own.served, frozenset(champion.nullable), requests, records.place)
        rejects = (*requests.rejects, *refused)
        newest = pc.max(made[decode.TIME]).as_py() or 0
        return Answers(
            self._messages(made, len(records.values)), champion.digest,
            list(decoding.record_letters("requests", records, rejects)),
            decoding.progress_line("requests", made.num_rows, rejects, newest, version=champion.version),
        )  # fmt: skip

    def _messages(self, made: pa.Table, records: int) -> list[Message]:
        """Return predictions as messages, no more than there were records."""
        target, schema = self._target, self._model.schema
        batch = max(publishing.EVENTS_PER_RECORD, -(-made.num_rows // records))
        more = {encode.DIGEST: self._own.champion.digest}
        return list(publishing.messages(schema, "predictions", offline.finite(made), target, batch, more))
