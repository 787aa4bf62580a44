"""Skew of fact features: what was logged with predictions, beside what the facts give now, row by row on a sample.

They differ where facts came later than the delay of their source, where a caller sent values of its own, or where what
answered computed something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from features.events.row_decoder import ID, TIME, VERSION
from features.facts import lookup
from features.facts.declaration import FactFeatures
from features.facts.fact import Key, Value
from features.facts.file_times import FileTimes
from features.facts.groups import groups
from features.facts.lookup import Loaded
from features.facts.row_sample import RowSample
from features.values.untyped import Reject
from features.window import from_ms, to_ms


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


def measure(
    declared: FactFeatures, logged: Iterable[pa.Table], sample: Sample, *, now: datetime, times: FileTimes | None = None
) -> Skew:
    """Return the skew of a model's fact features in its prediction log. Memory does not grow with the log.

    Parameters
    ----------
    declared
        Its fact features.
    logged
        The decoded predictions of the log, part by part and in any order; those of other times are ignored.
    sample
        Which of them are compared.
    now
        The present, which times of facts are compared with.
    times
        The times of the facts in files that were read before (:func:`features.facts.lookup.load`).

    Raises
    ------
    DataError
        The log, or a directory of facts, does not exist.
    BrokerError
        The log is a topic that cannot be read.
    """
    chosen = RowSample(sample.size, sample.seed)
    for table in logged:
        inside = pc.and_(pc.greater_equal(table[TIME], to_ms(sample.start)), pc.less(table[TIME], to_ms(sample.end)))
        chosen.add(table.filter(inside))
    rows = chosen.table
    if rows is None:
        return Skew(0, 0, tuple(FeatureSkew(name, 0, ()) for name in declared.features), ())
    facts = facts_of(declared, rows, now=now, times=times)
    skews = (_of_feature(name, rows, facts.values.group_of(name).row_columns, values, sample.shown)
             for name, values in facts.values.columns(rows).items())  # fmt: skip
    return Skew(chosen.rows, rows.num_rows, tuple(skews), facts.rejects)


def facts_of(declared: FactFeatures, rows: pa.Table, *, now: datetime, times: FileTimes | None = None) -> Loaded:
    """Return the facts that can count for rows, those of their keys; errors as of :func:`measure`."""
    keys = {group.name: set(_keys(rows, group.row_columns)) for group in groups(declared)}
    first, last = pc.min_max(rows[TIME]).as_py().values() if rows.num_rows else (0, 0)
    return lookup.load(declared, start=from_ms(first), end=from_ms(last + 1), now=now, keys=keys, times=times)


def differs(logged: pa.ChunkedArray, recomputed: Sequence[Value]) -> list[bool]:
    """Return which logged values are not, to the last bit, the recomputed ones; null and NaN are no value."""
    return [(None if old != old else old) != new for old, new in zip(logged.to_pylist(), recomputed, strict=True)]


def _keys(rows: pa.Table, columns: Sequence[str]) -> Iterable[Key]:
    return zip(*(rows[column].to_pylist() for column in columns), strict=True)


def _of_feature(name: str, rows: pa.Table, keys: Sequence[str], values: Sequence[Value], shown: int) -> FeatureSkew:
    different = list(_differences(name, rows, keys, values))
    return FeatureSkew(name, len(different), tuple(different[:shown]))


def _differences(name: str, rows: pa.Table, keys: Sequence[str], values: Sequence[Value]) -> Iterator[Difference]:
    """Yield the rows whose logged value is not the recomputed one."""
    where = zip(*(rows[column].to_pylist() for column in (ID, TIME, VERSION)), strict=True)
    pairs = zip(rows[name].to_pylist(), values, strict=True)
    different = differs(rows[name], values)
    for is_different, (row_id, time, version), key, (old, new) in zip(
        different, where, _keys(rows, keys), pairs, strict=True
    ):
        if is_different:
            yield Difference(row_id, time, version, key, None if old != old else old, new)
