"""Declarations of features of facts: where the facts are, and what is computed of which of them.

What they mean is in :mod:`features.facts.key_state`.
"""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, field_validator, model_validator

from features.conventions import CsvFormat, Times
from features.facts.fact import Value
from features.facts.partials import NUMBERS, OF_NOTHING, Aggregate
from features.facts.sql_view import SqlView
from features.schema import FeatureKind
from features.table import DEFAULT_POLL, Poll, Table
from features.topic import TopicSettings
from features.transforms.declaration import NO_TRANSFORMS, Transforms
from features.values.name_pairs import name_pairs
from features.window import Span, format_span


class FactFiles(BaseModel):
    """Facts in a directory: what happened, each with a time and the keys by which features look it up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(description="a directory of .parquet, .jsonl or .csv files, each of which appears whole")
    csv: CsvFormat = Field(CsvFormat(), description="how the directory's .csv files are written")
    id: str | None = Field(
        None, description="column that identifies a fact, so that a later record corrects it; absent: none is corrected"
    )
    time: str = Field("time", description="column of the time when it happened")
    known_time: str | None = Field(
        None, description="column of the time when it became known; absent: when it happened"
    )
    delay: Span = Field(
        timedelta(minutes=1), description="how long after it became known a fact may take to arrive here, like 5m"
    )
    tile: Span = Field(timedelta(minutes=1), description="steps of time in which facts are aggregated, like 5m")
    times: Times = Field(Times(), description="how times are written, and which are possible")
    missing: tuple[str, ...] = Field(("",), description="texts that mean no value, like NA")

    @field_validator("tile")
    @classmethod
    def _lasts(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            msg = "a tile must be longer than nothing: write it like 1m or 5m"
            raise ValueError(msg)
        return value


class FactSource(FactFiles, TopicSettings):
    """Facts as a project file declares them: in a directory, a topic, a table or a view. All land in a directory."""

    path: str = Field("", description="a directory of .parquet, .jsonl or .csv files, each of which appears whole")
    avro_schema: str | None = Field(None, description="file of the Avro schema that records are written with")
    poll: Poll = Field(
        DEFAULT_POLL, description="how often new records are looked for while something follows the topic"
    )
    table: Table | None = Field(None, description="a table of a database, whose rows are facts")
    sql: SqlView | None = Field(None, description="a view of other facts, in Flink SQL")

    @model_validator(mode="after")
    def _one_place(self) -> FactSource:
        """Refuse facts in no place or in several, and settings of another kind of place."""
        if bool(self.path) + sum(place is not None for place in (self.topic, self.table, self.sql)) != 1:
            msg = "facts are in a directory, a topic, a table or a view: set one of `path`, `topic`, `table` and `sql`"
            raise ValueError(msg)
        for key, place in (("csv", "path"), ("poll", "topic")):
            if key in self.model_fields_set and not getattr(self, place):
                msg = f"`{key}` goes with `{place}`"
                raise ValueError(msg)
        if self.format == "avro" and self.avro_schema is None and self.schema_registry is None:
            msg = "features do not say what all fields of a fact are: set `avro_schema` or `schema_registry`"
            raise ValueError(msg)
        return self

    def files(self, folder: Path) -> FactFiles:
        """Return the same facts as the files of a directory."""
        own = {name: getattr(self, name) for name in FactFiles.model_fields if name != "path"}
        return FactFiles(path=str(folder), **own)


def _pairs(value: Any) -> Any:
    """Return the pairs (column of the row, column of the facts) that a key describes."""
    one = [value] if isinstance(value, str) else value
    return name_pairs(one, "names no columns: write one, like carrier, a list of them, or {dest: airport}")


KeyColumns = Annotated[
    tuple[tuple[str, str], ...],
    BeforeValidator(_pairs, json_schema_input_type=str | list[str] | dict[str, str]),
    PlainSerializer(dict, return_type=dict[str, str]),
]
"""Key columns as pairs: of the row that is predicted, and of the facts."""


class FactFeature(BaseModel):
    """A feature that is computed of facts: one aggregate of one column, over a window of time, by key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: FeatureKind = Field(description="numeric or categorical")
    source: str = Field(alias="from", description="the facts, by their name under `facts`")
    key: KeyColumns = Field(
        min_length=1,
        description="which facts are the row's: a column of both, a list of columns, or {column of the row: of facts}",
    )
    window: Span = Field(description="how far back facts count, like 3h: a whole number of tiles")
    empty: float | str | None = Field(None, description="the value where there is no fact; absent: missing")
    count: str | None = Field(None, description="column whose values are counted")
    sum: str | None = Field(None, description="column whose sum it is")
    mean: str | None = Field(None, description="column whose mean it is")
    min: str | None = Field(None, description="column whose smallest value it is")
    max: str | None = Field(None, description="column whose largest value it is")
    std: str | None = Field(None, description="column whose sample standard deviation it is")
    last: str | None = Field(None, description="column whose value it is, in the fact that happened last")
    age: str | None = Field(None, description="column; how many seconds ago the last fact with a value in it happened")
    distinct: str | None = Field(None, description="column whose different values are counted")

    @model_validator(mode="after")
    def _consistent(self) -> FactFeature:
        """Refuse no aggregate or several, one that does not go with the type, and a window or `empty` without use."""
        names = [each.value for each in Aggregate]
        written = [name for name in names if getattr(self, name) is not None]
        if len(written) != 1:
            begin = f"{' and '.join(f'`{name}`' for name in written)} stand side by side" if written else "no aggregate"
            msg = f"{begin}: write one of {', '.join(names)}, each with a column of the facts, like `mean: delay`"
            raise ValueError(msg)
        if self.type is FeatureKind.CATEGORICAL and self.aggregate is not Aggregate.LAST:
            msg = f"`{self.aggregate.value}` gives a number: set `type: numeric`, or use `last` for a category"
            raise ValueError(msg)
        if self.window <= timedelta(0):
            msg = f"window {format_span(self.window)} must be longer than nothing: write it like 3h"
            raise ValueError(msg)
        self._check_empty()
        return self

    def _check_empty(self) -> None:
        """Raise ValueError where `empty` is no value that the feature can have, or can never apply."""
        if self.empty is None:
            return
        if self.aggregate in OF_NOTHING:
            msg = f"`empty` has no use with `{self.aggregate.value}`, which is 0 where there is no fact: leave it out"
            raise ValueError(msg)
        number = isinstance(self.empty, float) and math.isfinite(self.empty)
        if (self.type is FeatureKind.NUMERIC) is not number:
            wanted = "a finite number" if self.type is FeatureKind.NUMERIC else "a text, in quotes if it is digits"
            msg = f"`empty` is {self.empty!r}, and the feature is {self.type.value}: write {wanted}"
            raise ValueError(msg)

    @property
    def aggregate(self) -> Aggregate:
        """What is computed."""
        return next(each for each in Aggregate if getattr(self, each.value) is not None)

    @property
    def column(self) -> str:
        """The column of the facts that it is computed of."""
        return str(getattr(self, self.aggregate.value))

    @property
    def column_kind(self) -> FeatureKind:
        """How that column is read."""
        numbers = self.aggregate in NUMBERS or (self.aggregate is Aggregate.LAST and self.type is FeatureKind.NUMERIC)
        return FeatureKind.NUMERIC if numbers else FeatureKind.CATEGORICAL

    @property
    def fallback(self) -> Value:
        """The value where there is no fact."""
        return OF_NOTHING.get(self.aggregate, self.empty)


class FactFeatures(BaseModel):
    """The features of one model that a request need not bring; sent to Flink's workers as JSON.

    Parameters
    ----------
    features, sources
        Those of facts, and the facts that they are of.
    transforms
        Those that functions of the project make of the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: dict[str, FactFeature]
    sources: dict[str, FactFiles]
    transforms: Transforms = NO_TRANSFORMS

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.features or self.transforms.features)

    @property
    def computed(self) -> frozenset[str]:
        """The names of both kinds: an event may lack these features."""
        return frozenset([*self.features, *self.transforms.features])


NO_FACTS = FactFeatures(features={}, sources={})
"""The fact features of a model that has none."""
