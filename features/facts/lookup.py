"""Values of fact features for rows: one by one for a server, by column for batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from features.events import location
from features.events.row_decoder import TIME
from features.facts import reading
from features.facts.declaration import FactFeatures
from features.facts.fact import Fact, Key, Value
from features.facts.file_times import FileTimes
from features.facts.groups import Group, groups, key_columns
from features.facts.key_state import NEVER
from features.facts.store import FactStore, MemoryStore
from features.files.file_chunks import Chunk
from features.schema import FeatureKind
from features.transforms import apply as transforms
from features.values.untyped import Reject
from features.window import from_ms, to_ms

ARROW = {FeatureKind.NUMERIC: pa.float64(), FeatureKind.CATEGORICAL: pa.string()}


class Origin(str, Enum):
    """Where a value comes from.

    ``facts``: computed of at least one fact. ``empty``: no fact counts, and the value is the one declared for that.
    ``expired``: the row is of a time whose facts are no longer stored, and the value is the one of no facts.
    """

    FACTS = "facts"
    EMPTY = "empty"
    EXPIRED = "expired"


class Looked(NamedTuple):
    """The value of a feature, and where it comes from."""

    value: Value
    origin: Origin


class FactValues:
    """The values of a model's fact features from a store.

    Parameters
    ----------
    declared
        The fact features.
    store
        Where the facts are.
    """

    def __init__(self, declared: FactFeatures, store: FactStore) -> None:
        self.declared, self.store = declared, store
        self.groups = groups(declared)
        self._group_of = {name: group for group in self.groups for name in group.features}
        self._since: dict[str, int] = {}

    def group_of(self, name: str) -> Group:
        """Return the group of a feature."""
        return self._group_of[name]

    def keep_since(self, group: Group, moment: int) -> None:
        """Drop what happened before a moment (ms), and take no such fact any more."""
        self._since[group.name] = moment
        self.store.forget(group, moment)

    def add(self, rows: reading.FactRows) -> int:
        """Store the facts of a chunk, but for those that are too old to count; return how many were new."""
        return sum(
            self.store.add(group, self._young(group, rows.by_group.get(group.name, ()))) for group in self.groups
        )

    def _young(self, group: Group, facts: Iterable[tuple[Key, Fact]]) -> list[tuple[Key, Fact]]:
        since = self._since.get(group.name)
        return [(key, fact) for key, fact in facts if since is None or fact.time >= since]

    def look(self, name: str, key: Key, time: int) -> Looked:
        """Return the value of a feature for a key at a time (ms)."""
        group = self._group_of[name]
        fallback = group.fallbacks[name]
        since = self._since.get(group.name)
        if since is not None and time - group.reach < since:
            return Looked(fallback, Origin.EXPIRED)
        value = None if None in key else self.store.value(group, key, name, time)
        return Looked(fallback, Origin.EMPTY) if value is None else Looked(value, Origin.FACTS)

    def columns(self, rows: pa.Table) -> dict[str, list[Value]]:
        """Return the values of all fact features for rows.

        Parameters
        ----------
        rows
            The column ``time`` (ms) and the key columns of the features.
        """
        times: Sequence[int] = rows[TIME].to_pylist()
        texts = {name: rows[name].to_pylist() for name in key_columns(self.groups)}
        made: dict[str, list[Value]] = {}
        for group in self.groups:
            keys = list(zip(*(texts[column] for column in group.row_columns), strict=True))
            for name in group.features:
                made[name] = [self.look(name, key, at).value for key, at in zip(keys, times, strict=True)]
        return {name: made[name] for name in self.declared.features}


def add_columns(rows: pa.Table, values: FactValues) -> pa.Table:
    """Return rows with a column for each fact feature, point in time: what could be known at the row's time.

    A column of that name that is there already is replaced, at its place.

    Parameters
    ----------
    rows
        The column ``time`` (ms since the epoch) and the key columns, as decoded events have them.
    values
        The facts (:func:`load`).
    """
    for name, column in values.columns(rows).items():
        made = pa.array(column, ARROW[values.declared.features[name].type])
        at = rows.column_names.index(name) if name in rows.column_names else -1
        rows = rows.append_column(name, made) if at < 0 else rows.set_column(at, name, made)
    return rows


class Filled(NamedTuple):
    """Rows with their fact features, and the facts that could not be used."""

    rows: pa.Table
    rejects: tuple[Reject, ...]


def fill_missing(rows: pa.Table, declared: FactFeatures, *, now: datetime) -> Filled:
    """Return rows whose fact features are filled in where they are null, point in time; the facts are read for that.

    Parameters
    ----------
    rows
        Decoded events with the columns of all features.
    declared
        The fact features.
    now
        The present, which times of facts are compared with.

    Raises
    ------
    DataError
        A directory of facts does not exist.
    """
    if not declared or not rows.num_rows:
        return Filled(rows, ())
    first, last = pc.min_max(rows[TIME]).as_py().values()
    loaded = load(declared, start=from_ms(first), end=from_ms(last + 1), now=now)
    return Filled(with_missing(rows, loaded.values), loaded.rejects)


def with_missing(rows: pa.Table, values: FactValues) -> pa.Table:
    """Return rows whose fact features are filled in where they are null, point in time; then what transforms make.

    Parameters
    ----------
    rows
        Decoded events with the columns of all features.
    values
        The facts (:func:`load`) of a period that has the rows' times in it.
    """
    made = add_columns(rows, values)
    for name in values.declared.features:
        filled = pc.coalesce(rows[name], made[name])
        made = made.set_column(made.column_names.index(name), name, filled)
    return transforms.fill_missing(made, values.declared.transforms)


class Loaded(NamedTuple):
    """Facts in memory, and the records that could not be used."""

    values: FactValues
    rejects: tuple[Reject, ...]


def load(  # noqa: PLR0913 - a bound or a filter each
    declared: FactFeatures,
    *,
    start: datetime,
    end: datetime,
    now: datetime,
    keys: Mapping[str, set[Key]] | None = None,
    times: FileTimes | None = None,
    until: datetime | None = None,
) -> Loaded:
    """Return the facts that can count for rows of a period, in memory.

    Parameters
    ----------
    declared
        The fact features; the paths of their sources are those to read.
    start, end
        The period [start, end) of the rows.
    now
        The present, which times of facts are compared with.
    keys
        The keys of the rows by name of the group; None for all.
    times
        Times of files that were read before: those without a fact that can count are left out, with their rejects.
    until
        Facts that were too far ahead at this moment are left out, also if they no longer are *now*; None for no moment.

    Raises
    ------
    DataError
        A directory of facts does not exist.
    """
    values = FactValues(declared, MemoryStore())
    rejects = list[Reject]()
    for group in values.groups:
        values.keep_since(group, to_ms(start) - group.reach)
    for source in dict.fromkeys(group.source for group in values.groups):
        first = to_ms(start) - max(group.reach for group in values.groups if group.source == source)
        for chunk in location.references(reading.place(declared.sources[source])):
            assert isinstance(chunk, Chunk)  # a source of facts is a directory
            if times is not None and not times.may_count(chunk, first, to_ms(end)):
                continue
            rows = reading.read(declared, values.groups, source, chunk, now=now)
            rejects += rows.rejects
            if times is not None:
                times.learn(chunk, rows)
            latest = NEVER if until is None else declared.sources[source].times.range_ms(until)[1]
            values.add(_wanted(rows, (to_ms(end), latest), values.groups, keys))
    return Loaded(values, tuple(rejects))


def _wanted(
    rows: reading.FactRows, ends: tuple[int, int], of: Sequence[Group], keys: Mapping[str, set[Key]] | None
) -> reading.FactRows:
    """Return the facts of the wanted keys that were known, and that happened, before their *ends* (ms)."""
    own = {
        group.name: [
            (key, fact) for key, fact in rows.by_group.get(group.name, ())
            if fact.known_time < ends[0] and fact.time < ends[1] and (keys is None or key in keys[group.name])
        ] for group in of
    }  # fmt: skip
    return reading.FactRows(own, ())
