"""The event schema of a model: its columns, features with their kinds, event sources, labels and windows.

Everything that reads, counts or scores events takes it from here.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from features.conventions import CsvFormat, Times
from features.spelling import canonical
from features.table import Table
from features.topic import TopicSettings
from features.window import Span, Windows


class FeatureKind(str, Enum):
    """How a feature's values are counted: on ordered bins (numeric), or by category."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"


class Task(str, Enum):
    """What the model predicts, and so what its prediction column contains.

    ``binary``: the probability of label 1. ``regression``: the value. ``multiclass``: the predicted class.
    """

    BINARY = "binary"
    REGRESSION = "regression"
    MULTICLASS = "multiclass"


class Columns(BaseModel):
    """The names of an event's columns by their role.

    Times are ISO 8601 (no zone means UTC) or milliseconds since the epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field("id", description="joins a label to its prediction")
    time: str = Field("time", description="when the prediction was made (event time)")
    version: str = Field("model_version", description="which model version made the prediction")
    prediction: str = Field("prediction", description="the model's answer")
    label: str = Field("label", description="the truth, in the label events")
    label_time: str = Field("time", description="when the label became known, in the label events")


class Source(TopicSettings):
    """An event source: a directory (`path`), a Kafka topic (`topic`) or a table of a database (`table`).

    A directory contains .jsonl, .csv or .parquet files, read in the order of their names. A file must appear whole:
    write it under a name that starts with a dot or ends in ``.tmp``, then rename it.
    """

    path: str | None = Field(None, description="a directory of .jsonl, .csv or .parquet files")
    csv: CsvFormat = Field(CsvFormat(), description="how the directory's .csv files are written")
    table: Table | None = Field(
        None, exclude=True, description="a table of a database; its rows become files, which is what all else reads"
    )

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        """Refuse a source that is in no place or in several, and settings of another kind of place."""
        if sum(place is not None for place in (self.path, self.topic, self.table)) != 1:
            msg = "events are in a directory, a topic or a table: set one of `path`, `topic` and `table`"
            raise ValueError(msg)
        if not self.path and "csv" in self.model_fields_set:
            msg = "`csv` goes with `path`; a topic's records are of one `format`, and a table has columns"
            raise ValueError(msg)
        return self

    @property
    def name(self) -> str:
        """The source's name in messages.

        >>> Source(topic="flights.predictions").name, Source(path="events").name
        ('topic flights.predictions', 'events')
        """
        return self.path or (f"topic {self.topic}" if self.topic else f"table {self.table and self.table.name}")


def _spelling(value: object) -> object:
    """Return a class in its canonical spelling: true and 1 of a YAML file are text among categories."""
    return canonical(value) if isinstance(value, bool | int | float | str) else value


Spelling = Annotated[str, BeforeValidator(_spelling, json_schema_input_type=str | bool | int | float)]


class Events(BaseModel):
    """The event streams of a model: predictions, and the labels that arrive later (absent if there never are any).

    Parameters
    ----------
    history
        Events from before there were predictions: id, time and features. They are trained on, never monitored; their
        labels are among `labels`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    predictions: Source
    labels: Source | None = None
    history: Source | None = None
    columns: Columns = Columns()
    version: str | None = Field(
        None, description="the model version of every event, where the log has no version column"
    )
    times: Times = Field(Times(), description="how times are written, and which are possible")
    missing: tuple[str, ...] = Field(("",), description="texts that mean no value, in every format alike, like NA")
    positive: Spelling | None = Field(
        None, description="the label that counts as 1 in a binary task, like yes; absent: 1 and true"
    )
    negative: Spelling | None = Field(
        None, description="the label that counts as 0, like no; absent: with `positive`, every other one"
    )

    @model_validator(mode="after")
    def _two_classes(self) -> Events:
        if self.negative is not None and self.positive is None:
            msg = "`negative` goes with `positive`: set the label that counts as 1, too"
            raise ValueError(msg)
        if self.positive is not None and self.positive == self.negative:
            msg = f"`positive` and `negative` are both {self.positive!r}"
            raise ValueError(msg)
        return self


class EventSchema(BaseModel):
    """What is needed to read and count one model's events; it is sent to Flink's workers as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    task: Task
    columns: Columns = Columns()
    version: str | None = None
    times: Times = Times()
    missing: tuple[str, ...] = ("",)
    positive: str | None = None
    negative: str | None = None
    features: dict[str, FeatureKind] = Field(min_length=1)
    segments: tuple[str, ...] = ()
    label_delay: Span = timedelta(days=1)
    windows: Windows = Windows()

    @field_validator("segments", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> EventSchema:
        """Refuse segments that are no categorical features, reserved names of features, and a column in two roles."""
        for name in self.segments:
            if self.features.get(name) is not FeatureKind.CATEGORICAL:
                msg = f"segment {name!r} must be one of the categorical features"
                raise ValueError(msg)
        if reserved := RESERVED & set(self.features):
            msg = f"{sorted(reserved)} cannot name a feature; events.columns may map another column to that part"
            raise ValueError(msg)
        taken = {self.columns.id, self.columns.time, self.columns.prediction, self.columns.label} & set(self.features)
        if taken:
            msg = f"{sorted(taken)} cannot be both a feature and the id, time, prediction or label column"
            raise ValueError(msg)
        if self.positive is not None and self.task is not Task.BINARY:
            msg = f"`events.positive` goes with `task: binary`, not {self.task.value}"
            raise ValueError(msg)
        return self

    @property
    def prediction_kind(self) -> FeatureKind:
        """How the prediction is counted."""
        return FeatureKind.CATEGORICAL if self.task is Task.MULTICLASS else FeatureKind.NUMERIC

    @property
    def label_kind(self) -> FeatureKind:
        """How the label is counted."""
        return FeatureKind.NUMERIC if self.task is Task.REGRESSION else FeatureKind.CATEGORICAL

    @property
    def variables(self) -> dict[str, FeatureKind]:
        """The features, then the prediction, with the kind of each: what is available when a prediction is made."""
        return {**self.features, PREDICTION: self.prediction_kind}

    @property
    def refusable(self) -> tuple[str, ...]:
        """The variables in the order of the cells of :data:`REFUSED`: by name, as a baseline's JSON sorts its keys."""
        return tuple(sorted(self.variables))


PREDICTION = "prediction"
LABEL = "label"
MULTIVARIATE = "multivariate"
"""How unusual a row's features are together, see :mod:`monitors.profiles.reconstruction_error`."""
SCORE_GRID = "score_grid"
"""The score of a binary model on a grid, see :mod:`monitors.profiles.score_calibration`."""
ESTIMATED_LOSS = "estimated_loss"
"""The loss to expect of other models, see :mod:`monitors.profiles.loss_estimator`."""
VALUE_HASHES = "value_hashes"
"""Sums over numbers that show whether they all had one value, see :mod:`monitors.profiles.value_hashes`."""
DERIVED = (MULTIVARIATE, SCORE_GRID, ESTIMATED_LOSS, VALUE_HASHES)
"""Variables that are computed from those in an event and counted beside them."""
REFUSED = "refused"
"""Side channel: records set aside because a variable's value did not fit, counted by that variable."""
LATE = "late"
"""Side channel: predictions that arrived after their own slice was closed, counted in the slice that was open then."""
UNUSABLE = "unusable"
"""Side channel: records set aside for any other cause, counted by :data:`UNUSABLE_PARTS`."""
UNUSABLE_PARTS = ("id", "time", "model_version", "record")
"""Which part of a record could not be used where no variable is to blame; ``record`` is all of it."""
RESERVED = frozenset({"id", "time", "model_version", PREDICTION, LABEL, REFUSED, LATE, UNUSABLE, *DERIVED})
"""Names that no feature may have: decoded tables and counts have columns of their own with these names."""
Role = Literal["predictions", "labels", "requests"]
