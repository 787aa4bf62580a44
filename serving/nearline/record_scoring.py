"""The function of the job over topics: a batch of requests is answered by the champion of that moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from features import user_code
from features.events import decode, encode, publishing
from features.events.publishing import Message
from features.events.requests import unanswered_predictions
from features.facts import lookup
from features.facts.declaration import FactFeatures
from features.kafka.records import Records
from features.schema import EventSchema, Source
from monitors.worker import decoding
from monitors.worker.record_answers import Answers
from serving import offline
from serving.batch import row_answers
from serving.nearline import fact_values
from serving.nearline.fact_values import SetAside
from serving.nearline.loaded_champion import LoadedChampion


@dataclass(frozen=True, slots=True)
class RecordScoring:
    """What a worker needs for any batch.

    Parameters
    ----------
    schema
        The model's events.
    facts
        Its fact features.
    champion
        The file that names the champion (:mod:`serving.nearline.champion_file`).
    store
        Folder of model files.
    trusted
        Types that model files may have.
    target
        The topic of predictions.
    set_aside
        Takes dead letters of facts; those of requests go to a topic.
    clock
        Returns the present, which times of events and facts are compared with.
    project
        The folder of the project file, from which the user's own code is imported.
    """

    schema: EventSchema
    facts: FactFeatures
    champion: Path
    store: Path
    trusted: tuple[str, ...]
    target: Source
    set_aside: SetAside
    clock: Callable[[], datetime]
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
        self._task = task
        self._own = LoadedChampion(task.schema, task.champion, task.store, task.trusted, time.monotonic)
        self._facts = fact_values.of(task.schema.model, task.facts, task.set_aside, task.clock)

    def __call__(self, records: Records) -> Answers:
        """Answer requests by the champion of now, with the facts of now."""
        self._own.follow()
        task, champion = self._task, self._own.champion
        decoded = decoding.decoded_records(task.schema, "requests", records, task.clock())
        requests = unanswered_predictions(task.schema, decoded)
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
        target, schema = self._task.target, self._task.schema
        batch = max(publishing.EVENTS_PER_RECORD, -(-made.num_rows // records))
        more = {encode.DIGEST: self._own.champion.digest}
        return list(publishing.messages(schema, "predictions", offline.finite(made), target, batch, more))
