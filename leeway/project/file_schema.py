"""The schema of a project file: the sections of all packages composed into one frozen pydantic model."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag, model_validator
from pydantic.json_schema import GenerateJsonSchema

from alerts.config import Alerts
from features import kafka_address
from features.conventions import Moment
from features.facts.declaration import FactFeature, FactSource
from features.schema import Events, EventSchema, FeatureKind, Task
from features.transforms.declaration import TransformFeature
from features.window import Span, Windows, format_span
from leeway.project.section import Section
from leeway.project.stack_section import Stack
from monitors.config import MonitorPolicy
from monitors.flink.config import Engine
from registry.config import IncidentPolicy
from retrain_flows.config import Audit, Retrain, Signals
from serving.config import Nearline

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]


class Period(Section):
    """A half-open period [start, end) of event time."""

    start: Moment = Field(description="first moment, like 2013-01-31; no zone means UTC")
    end: Moment = Field(description="the moment after the last")

    @model_validator(mode="after")
    def _forwards(self) -> Period:
        if self.end <= self.start:
            msg = f"end {self.end:%Y-%m-%d %H:%M} must be later than start {self.start:%Y-%m-%d %H:%M}"
            raise ValueError(msg)
        return self


def _feature_tag(value: Any) -> str:
    if isinstance(value, TransformFeature) or (isinstance(value, dict) and "transform" in value):
        return TRANSFORM_TAG
    return FACT_TAG if isinstance(value, dict | FactFeature) else KIND_TAG


KIND_TAG, FACT_TAG, TRANSFORM_TAG = "[kind]", "[of facts]", "[transform]"
"""Parts of the places of errors that tell the forms of a feature apart; they are no keys of the file."""
Feature = Annotated[
    Annotated[FeatureKind, Tag(KIND_TAG)]
    | Annotated[FactFeature, Tag(FACT_TAG)]
    | Annotated[TransformFeature, Tag(TRANSFORM_TAG)],
    Discriminator(_feature_tag),
]
"""A feature: its kind, where it comes with the request, or how it is computed of facts or of other features."""


class ModelSection(Section):
    """One model: its events, how they are monitored, and the actions on incidents."""

    task: Task = Field(description="what the model predicts: binary (a probability), regression or multiclass")
    events: Events = Field(description="where its predictions and labels are, and what their columns are called")
    label_delay: Span = Field(timedelta(days=1), description="how long after a prediction its label is final, like 24h")
    features: dict[str, Feature] = Field(
        min_length=1, description="the model's inputs: numeric or categorical; or declared, where they are computed"
    )
    segments: tuple[str, ...] = Field((), description="categorical features whose values are monitored separately")
    windows: Windows = Field(Windows(), description="how event time is cut")
    baseline: Period | None = Field(None, description="the period that `leeway baseline` takes as the reference")
    monitor: MonitorPolicy = Field(MonitorPolicy(), description="when a difference from the baseline counts")
    incidents: IncidentPolicy = Field(IncidentPolicy(), description="when drift is an incident, and how bad it is")
    signals: Signals = Field(Signals(), description="what each kind of incident may trigger")
    retrain: Retrain | None = Field(None, description="how a challenger is made; without it Leeway only monitors")
    nearline: Nearline | None = Field(None, description="requests in a topic that a streaming job answers")

    @model_validator(mode="after")
    def _predictions_are_no_table(self) -> ModelSection:
        """Refuse predictions in a table: each delivery of one counts, and a table's equal rows are one."""
        if self.events.predictions.table is not None:
            msg = "predictions are in a directory or in a topic; labels, history and facts may be in a table"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _can_retrain(self) -> ModelSection:
        """Refuse a `retrain` section without labels, versions in the events, or the trainer of its mode."""
        if self.retrain is None:
            return self
        if not self.events.labels:
            msg = "`retrain` needs labels: add `events.labels`, or leave `retrain` out and only monitor"
            raise ValueError(msg)
        if self.events.version:
            msg = "`retrain` makes new versions, so events need theirs: log it, and set `columns.version` in place "
            raise ValueError(msg + "of `events.version`")
        wanted = {"static": {"static"}, "online": {"online"}}.get(self.retrain.mode, {"static", "online"})
        if absent := wanted - set(self.retrain.trainers):
            key = {"static": "trainer", "online": "online"}[min(absent)]
            msg = f"retrain.mode {self.retrain.mode} needs `retrain.{key}: module:function`"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _can_answer(self) -> ModelSection:
        """Refuse a `nearline` section whose predictions could not be written as it reads requests."""
        if self.nearline is None:
            return self
        target, source = self.events.predictions, self.nearline.requests
        if target.topic is None:
            msg = "`nearline` writes predictions to a topic: set `events.predictions.topic`"
            raise ValueError(msg)
        if self.events.version:
            msg = "`nearline` writes each prediction's version: set `columns.version` in place of `events.version`"
            raise ValueError(msg)
        if source.format == "arrow" and target.format != "arrow":
            msg = "requests in columnar records are answered in such: set `format: arrow` for `events.predictions`"
            raise ValueError(msg)
        return self

    @property
    def kinds(self) -> dict[str, FeatureKind]:
        """The kind of each feature."""
        return {name: one if isinstance(one, FeatureKind) else one.type for name, one in self.features.items()}

    def schema_of(self, name: str) -> EventSchema:
        """Return the event schema that jobs use. Raises ValidationError where keys contradict each other."""
        return EventSchema(model=name, task=self.task, columns=self.events.columns,
                           version=self.events.version, times=self.events.times, missing=self.events.missing,
                           positive=self.events.positive, negative=self.events.negative,
                           features=self.kinds, segments=self.segments, label_delay=self.label_delay,
                           windows=self.windows)  # fmt: skip


_PASSWORD = re.compile(r"://[^/@]*:[^/@]*@")
_DATABASE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|\w+(\+\w+)?://.*")


def _database(value: str) -> str:
    if _PASSWORD.search(value):
        msg = "holds a password; put the URL into an environment variable and write env:ITS_NAME here"
        raise ValueError(msg)
    if not _DATABASE.fullmatch(value):
        msg = f"{value!r} is neither a URL, like sqlite:///leeway.db, nor a variable, like env:LEEWAY_DATABASE"
        raise ValueError(msg)
    return value


class Kafka(Section):
    """Where the topics of the file are."""

    bootstrap: Annotated[str, AfterValidator(kafka_address.checked)] = Field(
        "env:LEEWAY_KAFKA",
        description="host:port of the brokers, sasl_ssl://host:port?..., or env:NAME of the variable that holds it",
    )


class ProjectFile(Section):
    """A Leeway project: the models to monitor, their events, and the actions on drift."""

    project: Name = Field(description="the project's name, as pages and alerts show it")
    state: str = Field(".leeway", description="folder for everything Leeway writes, from the file's own folder")
    database: Annotated[str, AfterValidator(_database)] | None = Field(
        None, description="URL of the registry, or env:NAME of the variable that holds it; SQLite in `state` if absent"
    )
    kafka: Kafka = Field(Kafka(), description="where Kafka is, for events in topics")
    flink: Engine = Field(Engine(), description="which Flink runs the jobs; one inside the monitor, without an address")
    facts: dict[Name, FactSource] = Field(
        default_factory=dict, description="records of what happened, by name, which features are computed of"
    )
    models: dict[Name, ModelSection] = Field(min_length=1, description="the models, by name")
    audit: Audit = Field(Audit(), description="the scheduled audit")
    alerts: Alerts = Field(Alerts(), description="webhook endpoints and what they receive")
    stack: Stack = Field(Stack(), description="what `leeway up` starts on this machine")


class _SpansAsWritten(GenerateJsonSchema):
    """Renders default lengths of time as a project file writes them: 7d, not P7D."""

    def encode_default(self, dft: Any) -> Any:
        """Return *dft* as JSON."""
        return format_span(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a project file, for editors and for `leeway schema`."""
    schema = ProjectFile.model_json_schema(schema_generator=_SpansAsWritten)
    return {"$schema": _SpansAsWritten.schema_dialect, **schema}
