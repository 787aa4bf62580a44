"""Rows of a request: values of each feature typed and validated, with what is wrong by field, value and fix."""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from features.schema import EventSchema, FeatureKind
from features.values import scalars, timestamps
from features.window import to_ms
from serving.predictors.columns import Columns
from serving.requests.problems import Problem, Problems, cut, missing_feature, unfit

ABSENT: Any = object()
"""Stands for a value that a request does not bring, where it is filled in later."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The validated rows of a request.

    Parameters
    ----------
    features
        Values by feature, in the schema's order.
    ids
        The id of each row's prediction event.
    times
        The event time of each row, in milliseconds since the epoch.
    size
        Bytes of the request, as an estimate of what the rows take in memory.
    """

    features: Columns
    ids: Sequence[str]
    times: Sequence[int]
    size: int

    def __len__(self) -> int:
        return len(self.ids)


class RowReader:
    """Untyped columns of a request to validated rows, for one model version.

    Parameters
    ----------
    schema
        The model's events.
    nullable
        Features that the version answers without (:func:`serving.predictors.parity.takes_missing`).
    version
        The version, for messages.
    """

    def __init__(self, schema: EventSchema, nullable: frozenset[str], version: str) -> None:
        self.schema, self.nullable, self._version = schema, nullable, version
        codes, missing = scalars.missing_numbers(schema.missing), schema.missing
        readers: dict[FeatureKind, Callable[[Any], Any]] = {
            FeatureKind.NUMERIC: lambda value: scalars.number(value, codes),
            FeatureKind.CATEGORICAL: lambda value: scalars.category(value, missing),
        }
        self._readers = [(name, readers[kind], name in nullable) for name, kind in schema.features.items()]
        self._plain = {name for name, kind in schema.features.items() if kind is FeatureKind.NUMERIC and not codes}
        self.event_columns = (schema.columns.id, schema.columns.time)
        self.known_columns = frozenset({*schema.features, *self.event_columns})

    def rows(
        self,
        columns: Mapping[str, Sequence[Any]],
        n: int,
        *,
        now: datetime,
        size: int,
        optional: Collection[str] = (),
    ) -> Rows:
        """Return the rows of a request.

        Parameters
        ----------
        columns
            Values as JSON has them by column, each of *n*: the features, and the event's id and time if sent.
        n
            The number of rows.
        now
            The event time of rows that have none, and the bound of those that have.
        size
            Bytes of the request.
        optional
            Features that the request may leave out: they are :data:`ABSENT` then.

        Raises
        ------
        InvalidRequest
            A column is missing or not known, or a value does not fit.
        """
        problems = Problems()
        self._check_columns(columns, optional, problems)
        features: dict[str, Sequence[Any]] = {}
        for name, read, nullable in self._readers:
            if name in columns:
                features[name] = self._column(name, columns[name], read, nullable, problems)
            elif name in optional:
                features[name] = [ABSENT] * n
        ids = self._ids(columns.get(self.schema.columns.id), n, problems)
        times = self._times(columns.get(self.schema.columns.time), n, now, problems)
        problems.check()
        return Rows(features, ids, times, size)

    def _check_columns(
        self, columns: Mapping[str, Sequence[Any]], optional: Collection[str], problems: Problems
    ) -> None:
        """Add features that were not sent, and columns that are none."""
        absent = [name for name in self.schema.features if name not in columns and name not in optional]
        problems.add_names(missing_feature, absent, len(absent), None)
        unknown = [name for name in columns if name not in self.known_columns]
        problems.add_names(self.unknown_column, unknown, len(unknown), None)

    def unknown_column(self, name: str, row: int | None) -> Problem:
        """Return the problem of a column that is no feature."""
        near = difflib.get_close_matches(name, self.schema.features, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; the features are {', '.join(self.schema.features)}"
        return Problem(cut(name), "", f"no feature of {self.schema.model}; leave it out{hint}", row)

    def _column(
        self, name: str, values: Sequence[Any], read: Callable[[Any], Any], nullable: bool, problems: Problems
    ) -> Sequence[Any]:
        """Return a feature's typed values, adding what does not fit to *problems*."""
        if name in self._plain and scalars.are_plain(values):
            return values
        typed = []
        for row, value in enumerate(values):
            if value is ABSENT:
                typed.append(value)
                continue
            try:
                made = read(value)
            except scalars.Unfit as error:
                problems.add(unfit, name, value, str(error), row)
                continue
            if not nullable and (made is None or made != made):
                why = f"and {self.schema.model} {self._version} has no answer without it: send a value"
                problems.add(unfit, name, value, why, row)
            typed.append(made)
        return typed

    def _ids(self, values: Sequence[Any] | None, n: int, problems: Problems) -> list[str]:
        """Return the ids that were sent, or new ones."""
        if values is None:
            return [uuid.uuid4().hex for _ in range(n)]
        ids = []
        for row, value in enumerate(values):
            try:
                ids.append(uuid.uuid4().hex if value is None else scalars.identifier(value))
            except scalars.Unfit as error:
                problems.add(unfit, self.schema.columns.id, value, str(error), row)
        if len(set(ids)) < len(ids):
            problems.add(Problem, self.schema.columns.id, "", "an id comes twice: give each row its own")
        return ids

    def _times(self, values: Sequence[Any] | None, n: int, now: datetime, problems: Problems) -> list[int]:
        """Return the event times that were sent, or *now*."""
        if values is None:
            return [to_ms(now)] * n
        name = self.schema.columns.time
        times = []
        for row, value in enumerate(values):
            ms, why = _time(value, self.schema, now)
            if why:
                problems.add(unfit, name, value, f"{why}; leave it out for the time of the request", row)
            times.append(to_ms(now) if ms is None else ms)
        return times


def _time(value: Any, schema: EventSchema, now: datetime) -> tuple[int | None, str]:
    """Return a time in milliseconds, None where it is null, and why it cannot be used."""
    if value is None:
        return None, ""
    if isinstance(value, bool | list | dict):
        return None, "not a time (ISO 8601, or a number as events.times says)"
    try:
        typed = timestamps.time(pa.array([value]), schema.times, now)
    except (pa.ArrowInvalid, OverflowError):
        return None, "not a time"
    return (None, typed.reason) if typed.bad[0] else (typed.values[0].as_py(), "")
