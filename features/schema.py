"""What a prediction event looks like: its columns, its features and their types. Everything else asks here."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from features import kafka_address
from features.conventions import CsvFormat, Times
from features.spelling import canonical
from features.window import Span, Windows


class FeatureKind(str, Enum):
    """How a feature's values are counted: on ordered bins, or by category."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"


class Task(str, Enum):
    """What the model predicts, and so what its prediction column holds.

    ``binary``: the probability of label 1. ``regression``: the value. ``multiclass``: the predicted class.
    """

    BINARY = "binary"
    REGRESSION = "regression"
    MULTICLASS = "multiclass"


class Columns(BaseModel):
    """Which column of an event plays which part.

    Times are ISO 8601 (no zone means UTC) or milliseconds since the epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field("id", description="joins a label to its prediction")
    time: str = Field("time", description="when the prediction was made (event time)")
    version: str = Field("model_version", description="which model version made the prediction")
    prediction: str = Field("prediction", description="the model's answer")
    label: str = Field("label", description="the truth, in the label events")
    label_time: str = Field("time", description="when the label became known, in the label events")


RecordFormat = Literal["json", "avro", "arrow"]
"""What is in a Kafka record: one JSON event, one plain Avro event, or a columnar Arrow IPC stream of many events."""


class Source(BaseModel):
    """Where events come from: a directory (`path`) or a Kafka topic (`topic`), exactly one of the two.

    A directory holds .jsonl, .csv or .parquet files, read in the order of their names. A file must appear whole: write
    it under a name that starts with a dot or ends in ``.tmp``, then rename it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str | None = Field(None, description="a directory of .jsonl, .csv or .parquet files")
    csv: CsvFormat = Field(CsvFormat(), description="how the directory's .csv files are written")
    topic: str | None = Field(None, description="a Kafka topic", pattern=r"^[A-Za-z0-9._-]+$", max_length=249)
    format: RecordFormat = Field("json", description="what a record of the topic is")
    avro_schema: str | None = Field(
        None, description="file of the Avro schema that records are written with; absent: the one that features give"
    )
    schema_registry: str | None = Field(
        None,
        pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|https?://\S+)$",
        description="URL of the registry whose schemas the records name, or env:NAME of the variable that holds it",
    )
    bootstrap: str = Field("", exclude=True, description="the brokers of this topic, where not those of `kafka`")

    @field_validator("bootstrap")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return kafka_address.checked(value) if value else value

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        if (self.path is None) == (self.topic is None):
            msg = "events are in a directory or in a topic: set either `path` or `topic`"
            raise ValueError(msg)
        of_topics = {"format", "avro_schema", "schema_registry", "bootstrap"}
        if self.path and (odd := of_topics & self.model_fields_set):
            msg = f"`{min(odd)}` goes with `topic`; a file's ending tells its format"
            raise ValueError(msg)
        if self.topic and "csv" in self.model_fields_set:
            msg = "`csv` goes with `path`; a topic's records are of one `format`"
            raise ValueError(msg)
        for key in ("avro_schema", "schema_registry"):
            if getattr(self, key) is not None and self.format != "avro":
                msg = f"`{key}` goes with `format: avro`"
                raise ValueError(msg)
        return self

    @property
    def name(self) -> str:
        """What to call it in a message.

        >>> Source(topic="flights.predictions").name, Source(path="events").name
        ('topic flights.predictions', 'events')
        """
        return f"topic {self.topic}" if self.path is None else self.path


def _spelling(value: object) -> object:
    """Return a class as a record's value would be spelled: true and 1 of the project file are text in a category."""
    return canonical(value) if isinstance(value, bool | int | float | str) else value


Spelling = Annotated[str, BeforeValidator(_spelling, json_schema_input_type=str | bool | int | float)]


class Events(BaseModel):
    """The streams of a model: predictions, and the labels that arrive later (none, if they never do).

    *history* holds events from before there were predictions: id, time and features. They are trained on, never
    monitored; their labels are among *labels*.
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
    """All that is needed to read and count one model's events; it travels to Flink's workers as JSON."""

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
        """The features, then the prediction, with the kind of each: what is known when a prediction is made."""
        return {**self.features, PREDICTION: self.prediction_kind}

    @property
    def refusable(self) -> tuple[str, ...]:
        """The variables in the order of the cells of :data:`REFUSED`: by name, as a baseline's text sorts its keys."""
        return tuple(sorted(self.variables))


PREDICTION = "prediction"
LABEL = "label"
DERIVED = MULTIVARIATE, SCORE_GRID, ESTIMATED_LOSS = "multivariate", "score_grid", "estimated_loss"
"""Variables that are made of those that are sent, and counted beside them."""
REFUSED = "refused"
"""Counts, beside the variables, the records that could not be used by the variable whose value did not fit."""
LATE = "late"
"""Counts, beside the variables, the predictions that came after their own slice was closed, in the slice then open."""
UNUSABLE = "unusable"
"""Counts, beside the variables, the records that were set aside for anything else, by what :data:`LACKING` names."""
LACKING = ("id", "time", "model_version", "record")
"""Why a record is no use though no variable's value is to blame: which part of it cannot be used, or all of it."""
RESERVED = frozenset({"id", "time", "model_version", PREDICTION, LABEL, REFUSED, LATE, UNUSABLE, *DERIVED})
"""Names that no feature may have: decoded tables and counts have columns of their own so called."""
Role = Literal["predictions", "labels", "requests"]
