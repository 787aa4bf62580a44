"""Scoring of one part of a run: decoded, completed by features of facts, checked, answered, written whole.

A part leaves two files: its predictions, and after them a receipt with the number of rows and the dead letters. A part
with a receipt is done. One without is done again, and comes out the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features import errors, scoring
from features.events import decode, encode, location
from features.events.column_decoder import RecordPlace
from features.events.decode import Decoded
from features.events.requests import unanswered_predictions
from features.facts import lookup
from features.facts.declaration import FactFeatures
from features.facts.lookup import FactValues
from features.kafka import offset_ranges
from features.schema import PREDICTION, EventSchema, FeatureKind
from features.values.untyped import Mask, Reject
from registry.files import artifacts
from registry.files.artifacts import ArtifactStore
from serving import offline
from serving.batch.run_plan import FOLDER, Part
from serving.model import Served
from serving.offline import EventPeriod
from serving.prediction_log.log import DIGEST

MAX_REFUSED = 1000
"""Rows of a part that the model may refuse by raising; a model that refuses more is at fault, and the run ends."""
FACTS = "facts.json"
"""Name of the file of dead letters of facts in the run's folder."""


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
        Directory of predictions.
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
        return partial(_score, self, served, self._load_facts())

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


def receipt_path(target: Path, part: Part) -> Path:
    """Return the path of a part's receipt."""
    return target / FOLDER / "parts" / f"{part.name}.json"


def read_receipt(target: Path, part: Part) -> Receipt:
    """Return the receipt of a part that is done."""
    own = json.loads(receipt_path(target, part).read_bytes())
    return Receipt(own["rows"], tuple(Reject(**one) for one in own["rejects"]))


def _score(task: PartScoring, served: Served, facts: FactValues | None, text: str) -> None:
    """Score a part, unless it is done."""
    part = Part.decode(text)
    receipt = receipt_path(task.target, part)
    if receipt.exists():
        return
    made, place = _read(task, location.decode(part.reference))
    requests = task.period.in_period(unanswered_predictions(task.schema, made))
    if facts is not None:
        requests = replace(requests, table=lookup.with_missing(requests.table, facts))
    answered, refused = _answered(task, served, requests, place)
    if answered.num_rows:
        events = encode.renamed(offline.columns(task.schema), answered)
        events = events.append_column(DIGEST, pa.array([task.digest] * events.num_rows, pa.string()))
        artifacts.write_whole(task.target / part.name, offline.parquet(events))
    letters = [asdict(one) for one in (*requests.rejects, *refused)]
    artifacts.write_whole(receipt, json.dumps({"rows": answered.num_rows, "rejects": letters}).encode())


def _read(task: PartScoring, reference: location.Reference) -> tuple[Decoded, RecordPlace]:
    """Return the records of a part, and where each of its lines is."""
    if isinstance(reference, offset_ranges.Range):
        batch = offset_ranges.fetch(reference)
        return decode.decode_records(task.schema, "requests", batch, now=task.now), batch.place
    path = reference.path
    return decode.decode(task.schema, "requests", reference, now=task.now), lambda line: (path, line)


def _answered(
    task: PartScoring, served: Served, requests: Decoded, place: RecordPlace
) -> tuple[pa.Table, tuple[Reject, ...]]:
    """Return the rows that the version answers with its predictions, and the others as dead letters."""
    reasons = dict(_missing(task, requests.table))
    good = _without(requests.table.num_rows, reasons)
    answers, raised = _predictions(served, requests.table.filter(pa.array(good)))
    whole = np.flatnonzero(good)
    reasons |= {int(whole[row]): ("", why) for row, why in raised.items()}
    kept = _without(requests.table.num_rows, reasons)
    letters = (
        Reject(*place(int(requests.lines[row])), why, _raw(requests.table, row), column,
               requests.table[decode.TIME][row].as_py(), task.version)
        for row, (column, why) in sorted(reasons.items())
    )  # fmt: skip
    return answers.filter(pa.array(kept[good])), tuple(letters)


def _without(rows: int, reasons: Collection[int]) -> Mask:
    """Return which rows have no reason against them, (rows,)."""
    good = np.ones(rows, bool)
    good[list(reasons)] = False
    return good


def _missing(task: PartScoring, rows: pa.Table) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield the rows that lack a value without which the version has no answer: row, column and reason."""
    why = f"and {task.schema.model} {task.version} has no answer without it"
    for name, kind in task.schema.features.items():
        if name in task.nullable:
            continue
        there = pc.is_finite(rows[name]) if kind is FeatureKind.NUMERIC else pc.is_valid(rows[name])
        for row in np.flatnonzero(~pc.fill_null(there, False).to_numpy()):
            yield int(row), (name, f"{name} is missing, {why}")


def _predictions(served: Served, rows: pa.Table) -> tuple[pa.Table, dict[int, str]]:
    """Return rows with predictions, and the rows for which the model raised or gave no finite answer, with the reason.

    Where the model raises, the rows are halved until it is known which they are.

    Raises
    ------
    DataError
        The model refuses more than :data:`MAX_REFUSED` rows.
    """
    todo, done, refused = [(0, rows.num_rows)], list[pa.Table](), dict[int, str]()
    while todo:
        start, stop = todo.pop()
        part = rows.slice(start, stop - start)
        try:
            done.append(offline.answered(served, part))
        except errors.LeewayError:
            raise
        except Exception as error:  # whatever a user's model raises
            if stop - start > 1:
                middle = (start + stop) // 2
                todo += [(middle, stop), (start, middle)]
                continue
            refused[start] = f"the model refuses it: {type(error).__name__}: {error}"
            done.append(part)
            _check_refused(served, refused)
    answered = pa.concat_tables(done)
    values = answered[PREDICTION].to_numpy()
    for row in np.flatnonzero(~scoring.is_answered(values)):
        refused.setdefault(int(row), "the model's answer is missing or not finite")
    return answered, refused


def _check_refused(served: Served, refused: dict[int, str]) -> None:
    if len(refused) > MAX_REFUSED:
        why = next(iter(refused.values()))
        msg = f"{served.schema.model} {served.version} refuses more than {MAX_REFUSED} rows of a part: {why}"
        raise errors.DataError(msg, hint="train again, or score with another --version")


def _raw(rows: pa.Table, row: int) -> str:
    """Return a row's values as JSON, for its dead letter."""
    (values,) = rows.slice(row, 1).to_pylist()
    return json.dumps({name: value for name, value in values.items() if name not in (decode.VERSION, PREDICTION)})
