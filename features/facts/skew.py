"""Skew of fact features: what was logged with predictions, beside what the facts give now, row by row on a sample.

They differ where facts came later than the delay of their source, where a caller sent values of its own, or where what
answered computed something else.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from features.events import decode, location
from features.facts import lookup
from features.facts.declaration import FactFeatures
from features.facts.fact import Key, Value
from features.facts.groups import groups
from features.schema import EventSchema
from features.values.untyped import Reject
from features.window import to_ms


@dataclass(frozen=True, slots=True)
class Difference:
    """A logged value that is not the recomputed one, with its row's id, time (ms) and model version."""

    id: str
    time: int
    version: str
    key: Key
    logged: Value
    recomputed: Value


@dataclass(frozen=True, slots=True)
class FeatureSkew:
    """The skew of one feature.

    Parameters
    ----------
    feature
        Its name.
    different
        In how many of the sampled rows the values differ.
    first
        The first differences, by time and id.
    """

    feature: str
    different: int
    first: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Skew:
    """The skew of a model's fact features.

    Parameters
    ----------
    rows
        Logged predictions of the period.
    sampled
        How many of them were compared.
    features
        The skew of each feature.
    rejects
        Facts that could not be used.
    """

    rows: int
    sampled: int
    features: tuple[FeatureSkew, ...]
    rejects: tuple[Reject, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """Which rows are compared.

    Parameters
    ----------
    start, end
        The period [start, end) of event time.
    size
        Most rows.
    seed
        Chooses them: the same rows for the same seed, wherever they are in the log.
    shown
        Most differences of a feature that are listed.
    """

    start: datetime
    end: datetime
    size: int = 1000
    seed: int = 0
    shown: int = 10


def measure(schema: EventSchema, declared: FactFeatures, log: location.Place, sample: Sample, *, now: datetime) -> Skew:
    """Return the skew of a model's fact features in its prediction log. Memory does not grow with the log.

    Parameters
    ----------
    schema
        The model's events.
    declared
        Its fact features.
    log
        Where its predictions are.
    sample
        Which of them are compared.
    now
        The present, which times of facts are compared with.

    Raises
    ------
    DataError
        The log, or a directory of facts, does not exist.
    BrokerError
        The log is a topic that cannot be read.
    """
    rows, logged = _sampled(schema, log, sample, now)
    keys = {group.name: set(_keys(logged, group.row_columns)) for group in groups(declared)}
    facts = lookup.load(declared, start=sample.start, end=sample.end, now=now, keys=keys)
    recomputed = facts.values.columns(logged)
    skews = (_of_feature(name, logged, facts.values.group_of(name).row_columns, values, sample.shown)
             for name, values in recomputed.items())  # fmt: skip
    return Skew(rows, logged.num_rows, tuple(skews), facts.rejects)


def _sampled(schema: EventSchema, log: location.Place, sample: Sample, now: datetime) -> tuple[int, pa.Table]:
    """Return the number of rows of the period, and those of the sample by time and id: those of the smallest hashes."""
    chosen: list[tuple[int, int, int, pa.Table]] = []  # of largest hash first, for the heap
    rows = 0
    for number, reference in enumerate(location.references(log)):
        table = decode.decode(schema, "predictions", reference, now=now).table
        times = table[decode.TIME].to_pylist()
        for row, row_id in enumerate(table[decode.ID].to_pylist()):
            if to_ms(sample.start) <= times[row] < to_ms(sample.end):
                rows += 1
                entry = (-_hash(sample.seed, row_id, times[row]), number, row)
                if len(chosen) < sample.size:
                    heapq.heappush(chosen, (*entry, _copied(table.slice(row, 1))))
                elif entry[0] > chosen[0][0]:
                    heapq.heapreplace(chosen, (*entry, _copied(table.slice(row, 1))))
    tables = [table for *_, table in chosen] or [decode.empty(schema, "predictions")]
    return rows, pa.concat_tables(tables).sort_by([(decode.TIME, "ascending"), (decode.ID, "ascending")])


def _copied(row: pa.Table) -> pa.Table:
    """Return a row that does not keep the table in memory of which it is a part."""
    return pa.Table.from_pylist(row.to_pylist(), row.schema)


def _hash(seed: int, row_id: str, time: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {time} {row_id}".encode()).digest()[:8])


def _keys(rows: pa.Table, columns: Sequence[str]) -> Iterable[Key]:
    return zip(*(rows[column].to_pylist() for column in columns), strict=True)


def _of_feature(name: str, rows: pa.Table, keys: Sequence[str], values: Sequence[Value], shown: int) -> FeatureSkew:
    different = list(_differences(name, rows, keys, values))
    return FeatureSkew(name, len(different), tuple(different[:shown]))


def _differences(name: str, rows: pa.Table, keys: Sequence[str], values: Sequence[Value]) -> Iterator[Difference]:
    """Yield the rows whose logged value is not, to the last bit, the recomputed one; null and NaN are no value."""
    where = zip(*(rows[column].to_pylist() for column in (decode.ID, decode.TIME, decode.VERSION)), strict=True)
    logged = (None if value != value else value for value in rows[name].to_pylist())
    for (row_id, time, version), key, old, new in zip(where, _keys(rows, keys), logged, values, strict=True):
        if old != new:
            yield Difference(row_id, time, version, key, old, new)
