"""Scoring of one part of a run: decoded, completed by features of facts, checked, answered, written whole.

A part leaves a receipt with the number of rows and the dead letters, and after it the predictions: a file, or records
of a topic and the mark that they were sent. A part that lacks one of them is done again, and comes out the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa

from features.events import decode, encode, location
from features.events.column_decoder import RecordPlace
from features.events.decode import Decoded
from features.events.requests import unanswered_predictions
from features.facts import lookup
from features.facts.declaration import FactFeatures
from features.facts.lookup import FactValues
from features.kafka import offset_ranges
from features.schema import EventSchema
from features.values.untyped import Reject
from registry.files import artifacts
from registry.files.artifacts import ArtifactStore
from serving import offline
from serving.batch import row_answers, topic_target
from serving.batch.run_plan import FOLDER, Part
from serving.batch.topic_target import TopicTarget
from serving.model import Served
from serving.offline import EventPeriod
from serving.prediction_log.event_table import DIGEST

FACTS = "facts.json"
"""Name of the file of dead letters of facts in the run's folder."""


SetAside = Callable[[Sequence[Reject]], None]
"""Takes dead letters."""


def _in_the_receipt(_: Sequence[Reject]) -> None:
    """Leave dead letters where they are, in the receipt."""


@dataclass(frozen=True, slots=True)
class PartScoring:
    """What a worker needs for any part of the run.

    Parameters
    ----------
    schema
        The model's events.
    facts
        Its fact features.
    version, digest
        The version that answers, and the sha256 of its model file.
    store
        Folder of model files.
    trusted
        Types that the file may have (:func:`registry.files.artifacts.load_model`).
    nullable
        Features that the version answers without.
    period
        Events outside of it are left out; both ends are set where there are fact features.
    now
        The present, which times of events are compared with.
    target
        Directory of the run, and of its predictions.
    topic
        Where predictions go instead.
    """

    schema: EventSchema
    facts: FactFeatures
    version: str
    digest: str
    store: Path
    trusted: tuple[str, ...]
    nullable: frozenset[str]
    period: EventPeriod
    now: datetime
    target: Path
    topic: TopicTarget | None = None

    def open(self) -> Callable[[str], None]:
        """Load the model and the facts of the period, and return what scores a part.

        Raises
        ------
        ArtifactError
            The model file is missing, altered or not trusted.
        DataError
            A directory of facts does not exist.
        """
        model = artifacts.load_model(ArtifactStore(self.store).get(self.digest), self.trusted)
        served = Served(self.schema, self.version, self.digest, model)
        return partial(_score_encoded, self, served, self._load_facts())

    def _load_facts(self) -> FactValues | None:
        """Return the facts of the period; those that cannot be used are written down for the run."""
        if not self.facts:
            return None
        start, end = self.period.start, self.period.end
        assert start is not None
        assert end is not None
        loaded = lookup.load(self.facts, start=start, end=end, now=self.now)
        letters = json.dumps([asdict(one) for one in loaded.rejects]).encode()
        artifacts.write_whole(self.target / FOLDER / FACTS, letters)
        return loaded.values


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of a part: rows answered, and the records that were not."""

    rows: int
    rejects: tuple[Reject, ...]


def _receipts(target: Path) -> Path:
    return target / FOLDER / "parts"


def receipt_path(target: Path, part: Part) -> Path:
    """Return the path of a part's receipt."""
    return _receipts(target) / f"{part.name}.json"


def read_receipt(target: Path, part: Part) -> Receipt:
    """Return the receipt of a part that is done."""
    own = json.loads(receipt_path(target, part).read_bytes())
    return Receipt(own["rows"], tuple(Reject(**one) for one in own["rejects"]))


def _score_encoded(task: PartScoring, served: Served, facts: FactValues | None, text: str) -> None:
    score(task, served, facts, Part.decode(text))


def is_done(target: Path, part: Part) -> bool:
    """Return whether a part has its receipt, and its predictions, where it has any, are there or were sent."""
    try:
        if read_receipt(target, part).rows == 0:
            return True
    except FileNotFoundError:
        return False
    return (target / part.name).exists() or topic_target.sent_path(_receipts(target), part.name).exists()


def score(
    task: PartScoring,
    served: Served,
    facts: FactValues | None,
    part: Part,
    set_aside: SetAside = _in_the_receipt,
) -> Receipt | None:
    """Score a part, unless it is done; return its receipt, None where it was done before.

    Predictions come last: once they can be seen, they are not made again.

    Parameters
    ----------
    task
        The run.
    served
        The version that answers.
    facts
        Values of fact features, None where the model has none.
    part
        The part.
    set_aside
        Called with the dead letters before the part is done; after a crash it may be called again.
    """
    if is_done(task.target, part):
        return None
    made, place = _read(task, location.decode(part.reference))
    requests = task.period.in_period(unanswered_predictions(task.schema, made))
    if facts is not None:
        requests = replace(requests, table=lookup.with_missing(requests.table, facts))
    answered, refused = row_answers.answered(served, task.nullable, requests, place)
    receipt = Receipt(answered.num_rows, (*requests.rejects, *refused))
    set_aside(receipt.rejects)
    letters = [asdict(one) for one in receipt.rejects]
    text = json.dumps({"rows": receipt.rows, "rejects": letters})
    artifacts.write_whole(receipt_path(task.target, part), text.encode())
    if answered.num_rows:
        _put(task, part, answered)
    return receipt


def _put(task: PartScoring, part: Part, answered: pa.Table) -> None:
    """Put the predictions of a part where they belong, as a whole."""
    if task.topic is not None:
        task.topic.send(task.schema, _receipts(task.target), part.name, answered, task.digest)
        return
    events = encode.renamed(offline.columns(task.schema), answered)
    events = events.append_column(DIGEST, pa.array([task.digest] * events.num_rows, pa.string()))
    artifacts.write_whole(task.target / part.name, offline.parquet(events))


def _read(task: PartScoring, reference: location.Reference) -> tuple[Decoded, RecordPlace]:
    """Return the records of a part, and where each of its lines is."""
    if isinstance(reference, offset_ranges.Range):
        batch = offset_ranges.fetch(reference)
        return decode.decode_records(task.schema, "requests", batch, now=task.now), batch.place
    path = reference.path
    return decode.decode(task.schema, "requests", reference, now=task.now), lambda line: (path, line)
