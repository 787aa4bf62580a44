"""Workspace of one model: registry, settings, and places of events and files, as one value.

The steps of a retrain take it as their first argument, so that they can be called from tests, by hand or by Prefect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from features import errors
from features.events.location import Place
from features.facts.declaration import NO_FACTS, FactFeatures
from features.schema import Events, EventSchema
from features.security import file_names
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from registry.config import IncidentPolicy
from registry.connection import Registry
from retrain_flows.config import Retrain, Signals
from retrain_flows.data.event_log import EventLog, StoredEvents


class BuildBaseline(Protocol):
    """The baseline job: counts a version's events of a period (:mod:`monitors.flink.baseline_job` runs it on Flink)."""

    def __call__(  # noqa: PLR0913, D102 - a baseline is of a version, its events and a period
        self,
        schema: EventSchema,
        policy: MonitorPolicy,
        *,
        version: str,
        predictions: Place,
        labels: Place | None,
        start: datetime,
        end: datetime,
        importance: Mapping[str, float] | None = None,
    ) -> Baseline: ...


RunTraining = Callable[[Callable[[Any], Any], Any], Any]
"""Calls a function of one argument, and returns its result."""


def in_this_process(training: Callable[[Any], Any], order: Any) -> Any:
    """Call a training in this process, without limits: a :data:`RunTraining`."""
    return training(order)


@dataclass(frozen=True)
class Workspace:
    """All that retraining one model needs.

    Parameters
    ----------
    registry
        The project's registry.
    schema
        The schema of the model's events.
    events
        Where the events are; paths are absolute.
    monitor, signals
        The sections `monitor` and `signals` of the project file.
    retrain
        The section `retrain`; None where Leeway only monitors.
    project_dir
        The folder of the project file, from which trainers are imported.
    state
        The folder for all that Leeway writes.
    build_baseline
        The baseline job.
    event_log
        Where events are read from; None: from the places of *events*.
    run_training
        Calls a training with its order: in this process, or in one of its own with limits of time and memory.
    incidents
        The section `incidents`.
    facts
        The model's fact features.
    """

    registry: Registry
    schema: EventSchema
    events: Events
    monitor: MonitorPolicy
    signals: Signals
    retrain: Retrain | None
    project_dir: Path
    state: Path
    build_baseline: BuildBaseline
    event_log: EventLog | None = None
    run_training: RunTraining = in_this_process
    incidents: IncidentPolicy = field(default_factory=IncidentPolicy)
    facts: FactFeatures = NO_FACTS

    @property
    def log(self) -> EventLog:
        """Where the model's events are read from."""
        return self.event_log or StoredEvents(self.schema, self.events, self.sets, facts=self.facts)

    @property
    def sets(self) -> Path:
        """The folder of the training sets that were read last."""
        return self.state / "training-sets" / file_names.file_name(self.model)

    @property
    def model(self) -> str:
        """The model's name."""
        return self.schema.model

    @property
    def trainers(self) -> Retrain:
        """The section `retrain`, where a trainer is configured.

        Raises
        ------
        ProjectError
            No trainer is configured, or events have one fixed version, so that a new version could not be told apart.
        """
        if self.retrain is None or not self.retrain.trainers:
            msg = f"no trainer is configured for {self.model}"
            raise errors.ProjectError(msg, hint="set retrain.trainer (or retrain.online) in the project file")
        if self.schema.version is not None:
            msg = f"events.version is {self.schema.version} for all events of {self.model}, also those of a new version"
            raise errors.ProjectError(msg, hint="log the model version and name its column in events.columns.version")
        return self.retrain


@dataclass(frozen=True, slots=True)
class Periods:
    """The training period, [start, evaluation), and the evaluation period of the gate, [evaluation, end)."""

    start: datetime
    evaluation: datetime
    end: datetime


def periods(schema: EventSchema, retrain: Retrain, as_of: datetime) -> Periods:
    """Return the periods of a retrain as of a moment in event time.

    They end where labels have matured, at the end of a whole slice, so that a baseline of them has no partial slices.
    """
    end = schema.windows.slice_of(as_of - schema.label_delay)
    return Periods(end - retrain.window, end - retrain.evaluation, end)
