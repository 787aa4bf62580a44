"""Loads a project file: validated models with their event schemas, and absolute paths."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from alerts.config import Alerts
from features.errors import NotFound, ProjectError
from features.facts import declaration_checks, sql_view
from features.facts.declaration import NO_FACTS, FactFeatures
from features.schema import Events, EventSchema
from features.transforms import declaration as transforms
from leeway.project import environment, landed, validation_errors, yaml_positions
from leeway.project.file_schema import ModelSection, Period, ProjectFile
from leeway.project.landed import LandedSource
from leeway.project.places import Places
from leeway.project.stack_section import Stack
from monitors.config import MonitorPolicy
from monitors.flink.config import Engine
from registry.config import IncidentPolicy
from retrain_flows.config import Audit, Retrain, Signals
from serving.config import Nearline

FILE_NAME = "leeway.yaml"


@dataclass(frozen=True)
class Model:
    """One model of a project. The paths in *events* are absolute; *retrain* is None where Leeway only monitors.

    Events and facts that *landed* has the directories of, in tables, topics and views, have those as their paths.
    """

    name: str
    schema: EventSchema
    events: Events
    monitor: MonitorPolicy
    signals: Signals
    incidents: IncidentPolicy
    baseline: Period | None = None
    retrain: Retrain | None = None
    facts: FactFeatures = NO_FACTS
    nearline: Nearline | None = None
    landed: tuple[LandedSource, ...] = ()

    @property
    def trusted(self) -> tuple[str, ...]:
        """The types that model files may have, beyond those that are safe."""
        return tuple(self.retrain.trust) if self.retrain else ()

    @property
    def landed_facts(self) -> tuple[LandedSource, ...]:
        """Those of *landed* that are facts."""
        return tuple(source for source in self.landed if source.is_facts)


@dataclass(frozen=True)
class Project:
    """A loaded project file. *path* and *state* are absolute; *database* is a URL or ``env:NAME``.

    *kafka* is the address of the brokers, or ``env:NAME`` where that variable is not set: only topics need it.
    """

    path: Path
    name: str
    state: Path
    database: str
    kafka: str
    flink: Engine
    models: Mapping[str, Model]
    audit: Audit
    alerts: Alerts
    stack: Stack

    @classmethod
    def load(cls, path: Path) -> Project:
        """Return the project at *path* (the file, or the folder it is in).

        Raises ProjectError, which lists every problem with its line, column, key and fix.
        """
        path = (path / FILE_NAME if path.is_dir() else path).resolve()
        document = yaml_positions.parse(_read(path))
        if document.data is None:
            raise _refusal(path, document.problems or [document.problem((), "the file is empty")])
        problems = list(document.problems)
        try:
            file = ProjectFile.model_validate(document.data)
        except ValidationError as error:
            raise _refusal(path, problems + validation_errors.explain(error.errors(), document)) from None
        if views := [document.problem(("facts", *at), message) for *at, message in sql_view.problems(file.facts)]:
            raise _refusal(path, problems + views)
        models = {}
        for name, section in file.models.items():
            declared = (*declaration_checks.problems(section.features, file.facts),
                        *transforms.problems(section.features, section.kinds))  # fmt: skip
            for feature, key, message in declared:
                problems.append(document.problem(("models", name, "features", feature, key), message))
            try:
                models[name] = _model(name, section, Places(path, file))
            except ValidationError as error:
                problems += validation_errors.explain(error.errors(), document, under=("models", name))
        if problems:
            raise _refusal(path, problems)
        return _project(Places(path, file), models)

    @property
    def folder(self) -> Path:
        """The folder of the file, from which the user's own code is imported."""
        return self.path.parent

    def model(self, name: str | None = None) -> Model:
        """Return the model *name*, by default the only one. Raises NotFound, which lists the models."""
        names = ", ".join(self.models)
        if name is None and len(self.models) == 1:
            return next(iter(self.models.values()))
        if name is None:
            msg = f"{self.path.name} has several models: {names}"
            raise NotFound(msg, hint="name one of them")
        if name not in self.models:
            msg = f"there is no model {name!r} in {self.path.name}"
            raise NotFound(msg, hint=f"its models are {names}{validation_errors.did_you_mean(name, list(self.models))}")
        return self.models[name]

    def database_url(self) -> str:
        """Return the registry's URL, from the environment or the running stack where the file says so.

        Raises ProjectError if its variable is not set.
        """
        return environment.resolve(self.database, self.state, what="the database URL", example="postgresql://...")

    def audit_secret(self) -> str:
        """Return the audit log's signing key from the variable that the file names; empty where it names none.

        Raises ProjectError if the variable is not set.
        """
        name = self.audit.key_env
        if name is not None and not os.environ.get(name):
            msg = f"the project file takes the audit log's key from the environment variable {name}, which is not set"
            raise ProjectError(msg, hint=f"export {name}, the same on every machine that writes to the registry")
        return os.environ[name] if name else ""

    def engine(self) -> Engine:
        """Return the `flink` section with its address resolved. Raises ProjectError if its variable is not set."""
        if self.flink.address is None:
            return self.flink
        address = environment.resolve(self.flink.address, self.state, what="Flink's address", example="host:port")
        return self.flink.model_copy(update={"address": address})


_INIT = "`leeway init --from SAMPLE` writes one from a sample of your events; `--project` names another file"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        msg = f"there is no project file at {path}"
        raise ProjectError(msg, hint=_INIT) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}"
        raise ProjectError(msg, hint="a project file is a readable text file in UTF-8") from error


def _refusal(path: Path, problems: Sequence[yaml_positions.Problem]) -> ProjectError:
    ordered = sorted(problems, key=lambda p: (p.line, p.column))
    head = f"{path.name} has {validation_errors.count(len(ordered), 'problem')}"
    lines = "\n".join(f"  {path.name}:{problem}" for problem in ordered)
    return ProjectError(f"{head}\n{lines}", hint="`leeway schema` describes every key")


def _model(name: str, section: ModelSection, places: Places) -> Model:
    """Return a model with absolute paths, and the addresses of its topics."""
    own = {role: source for role in ("predictions", "labels", "history") if (source := getattr(section.events, role))}
    schema = section.schema_of(name)
    plain = {feature: kind for feature, kind in schema.features.items() if section.features[feature] is kind}
    of_requests = schema.model_copy(update={"features": plain})
    sources = {role: places.absolute(source) for role, source in own.items()}
    onward = {"labels": places.labels_topic(name, sources["predictions"])}
    tables = {role: landed.of_events(role, source.table, of_requests, (places.folder, places.state), onward.get(role))
              for role, source in own.items() if source.table}  # fmt: skip
    sources |= {role: table.events for role, table in tables.items()}
    facts, landed_facts = places.facts(section)
    nearline = section.nearline
    if nearline is not None:
        nearline = nearline.model_copy(update={"requests": places.absolute(nearline.requests)})
    return Model(name=name, schema=schema, events=section.events.model_copy(update=sources),
                 monitor=section.monitor, signals=section.signals, incidents=section.incidents,
                 baseline=section.baseline, retrain=section.retrain, facts=facts,
                 landed=(*tables.values(), *landed_facts), nearline=nearline)  # fmt: skip


def _project(places: Places, models: Mapping[str, Model]) -> Project:
    file, state = places.file, places.state
    database = file.database or environment.sqlite_url(state, "leeway.db")
    if database.startswith(environment.SQLITE) and database != f"{environment.SQLITE}:memory:":
        database = environment.sqlite_url(places.folder, database.removeprefix(environment.SQLITE))
    return Project(path=places.path, name=file.project, state=state, database=database,
                   kafka=places.brokers(file.kafka.bootstrap), flink=file.flink, models=models, audit=file.audit,
                   alerts=file.alerts, stack=file.stack)  # fmt: skip
