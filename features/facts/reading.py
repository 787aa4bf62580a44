"""Facts of files: chunks decoded as events are, and told apart by group and key.

What cannot be used is a dead letter with place and reason: a record without its time, with text where a number belongs,
or stamped far ahead of the clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from features.events import row_decoder
from features.events.column_decoder import Decoder
from features.events.row_decoder import ID, TIME
from features.facts.declaration import FactFeatures, FactFiles
from features.facts.fact import Fact, Key
from features.facts.groups import Column, Group
from features.files.file_chunks import Chunk
from features.schema import Columns as EventColumns
from features.schema import EventSchema, FeatureKind, Source, Task
from features.values.untyped import Columns, Reject

KNOWN_TIME = "known_time"
_PREFIX = {FeatureKind.NUMERIC: "number", FeatureKind.CATEGORICAL: "text"}


@dataclass(frozen=True, slots=True)
class FactRows:
    """The facts of a chunk, as (key, fact) by name of the group, and the records that could not be used."""

    by_group: dict[str, list[tuple[Key, Fact]]]
    rejects: tuple[Reject, ...]


def place(source: FactFiles) -> Source:
    """Return where the facts of a source are, as events are placed."""
    return Source(path=source.path, csv=source.csv)


def read(declared: FactFeatures, groups: Sequence[Group], source: str, chunk: Chunk, *, now: datetime) -> FactRows:
    """Return the facts of a chunk for each group of its source.

    Parameters
    ----------
    declared
        The model's fact features.
    groups
        Their groups (:func:`features.facts.groups.groups`).
    source
        The name of the facts.
    chunk
        A part of one of their files.
    now
        The present: times more than a day ahead of it are refused, unless the source's `times` say otherwise.
    """
    of, mine = declared.sources[source], [group for group in groups if group.source == source]
    wanted = sorted({column for group in mine for column in _read_columns(group)})
    table, rejects = decode(of, source, wanted, chunk, now=now)
    rows = _rows(table, of)
    return FactRows({group.name: list(_of_group(group, rows)) for group in mine}, rejects)


def decode(
    of: FactFiles, source: str, wanted: Iterable[Column], chunk: Chunk, *, now: datetime
) -> tuple[pa.Table, tuple[Reject, ...]]:
    """Return the usable records of a chunk as a table, and those that could not be used.

    Parameters
    ----------
    of, source
        The facts, and their name.
    wanted
        The columns to read beside id and times; in the table they have the names of :func:`column_name`.
    chunk
        A part of one of their files.
    now
        The present.
    """
    columns = _columns(of, wanted)
    features = {name: kind for name, (_, kind) in columns.items() if kind is not None and name != ID}
    schema = EventSchema(model=source, task=Task.REGRESSION, columns=EventColumns(id=of.id or of.time, time=of.time),
                         times=of.times, missing=of.missing, features=features)  # fmt: skip
    decoder = Decoder(schema, "requests", lambda line: (chunk.path, line), now, columns, finite=True)
    decoded = row_decoder.read(decoder, chunk)
    return decoded.table, tuple(_of_source(one, source, columns) for one in decoded.rejects)


def _of_source(one: Reject, source: str, columns: Columns) -> Reject:
    """Return a reject that names the facts' own column and settings."""
    column = columns[one.column][0] if one.column in columns else ""
    return replace(one, column=column, reason=one.reason.replace("events.times", f"facts.{source}.times"))


def _read_columns(group: Group) -> Iterator[Column]:
    yield from ((column, FeatureKind.CATEGORICAL) for _, column in group.keys)
    yield from group.columns


def _columns(source: FactFiles, wanted: Iterable[Column]) -> Columns:
    """Return the columns to decode; without an id, the time stands in its place, which every fact has."""
    known_time = {KNOWN_TIME: (source.known_time, None)} if source.known_time else {}
    values = {column_name(column): column for column in wanted}
    return {ID: (source.id or source.time, FeatureKind.CATEGORICAL), TIME: (source.time, None), **known_time, **values}


def column_name(column: Column) -> str:
    """Return what a column is called once it is decoded: one may be read as a number and as text.

    >>> column_name(("delay", FeatureKind.NUMERIC))
    'number delay'
    """
    return f"{_PREFIX[column[1]]} {column[0]}"


def _rows(table: pa.Table, of: FactFiles) -> dict[str, list[Any]]:
    """Return decoded columns as lists; where no column identifies a fact, its content does.

    Of its times the moments are its content, not how they are spelled, though a feature may read them as text too.
    """
    rows = {name: table[name].to_pylist() for name in table.column_names}
    rows.setdefault(KNOWN_TIME, rows[TIME])
    for name, values in rows.items():
        if name.startswith(_PREFIX[FeatureKind.NUMERIC]):
            rows[name] = [None if value is None else value + 0.0 for value in values]  # -0.0 is 0.0
    if of.id is None:
        del rows[ID]
        spelled = {column_name((of.time, kind)) for kind in FeatureKind}
        spelled |= {column_name((of.known_time, kind)) for kind in FeatureKind if of.known_time}
        names = sorted(rows.keys() - spelled)
        rows[ID] = [_digest(names, values) for values in zip(*(rows[name] for name in names), strict=True)]
    return rows


def _digest(names: Sequence[str], values: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps([names, values]).encode()).hexdigest()[:24]


def _of_group(group: Group, rows: dict[str, list[Any]]) -> Iterator[tuple[Key, Fact]]:
    """Yield key and fact of each row that has all parts of the group's key."""
    keys = zip(*(rows[column_name((column, FeatureKind.CATEGORICAL))] for _, column in group.keys), strict=True)
    values = zip(*(rows[column_name(column)] for column in group.columns), strict=True)
    for key, fact_id, time, known_time, own in zip(keys, rows[ID], rows[TIME], rows[KNOWN_TIME], values, strict=True):
        if None not in key:
            yield key, Fact(fact_id, time, known_time, own)
