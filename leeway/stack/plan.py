"""The plan of a stack: which engines and services `leeway up` starts for a project, and why not others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from features import kafka_address
from features.schema import Source
from leeway import learner_branch
from leeway.project import environment
from leeway.project.load import Model, Project
from leeway.project.stack_section import Ports

PREFECT = "PREFECT_API_URL"
PORTS = {
    "postgres": ("postgres",),
    "broker": ("kafka", "kafka_controller"),
    "flink": ("flink", "flink_rpc", "jobmanager_metrics", "taskmanager_metrics"),
    "prefect": ("prefect",),
    "dashboard": ("dashboard",),
    "serve": ("serve",),
}
"""The ports (keys of `stack.ports`) of each engine or service."""
LEARNER = ("learner", "run")
"""The command of a learner, which `leeway learner stop` ends."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The engines and services to start for a project.

    *variables* maps each engine that is to be started here (``postgres``, ``broker``, ``flink``, ``prefect``) to the
    variable its address goes into; *elsewhere* maps each one that is not to where it is, or why it is not needed.
    *arguments* are the services of Leeway itself, by name: what comes after ``leeway --project FILE``.
    """

    project: Path
    state: Path
    ports: Ports
    slots: int
    variables: Mapping[str, str]
    elsewhere: Mapping[str, str]
    arguments: Mapping[str, tuple[str, ...]]

    @property
    def folder(self) -> Path:
        """The folder of the stack's data, logs and state."""
        return environment.stack_folder(self.state)

    @property
    def logs(self) -> Path:
        """The folder of the services' logs."""
        return self.folder / "logs"

    def wanted_ports(self) -> dict[str, int]:
        """Return the ports that the stack will listen on, by purpose."""
        parts = [*self.variables, *(name for name in self.arguments if name in PORTS)]
        numbers = {name: getattr(self.ports, name) for part in parts for name in PORTS[part]}
        return {name: port for name, port in numbers.items() if port is not None}


def plan_stack(project: Project, everything: bool = False) -> Plan:
    """Return the plan for *project*; with *everything* also engines that the project does not use."""
    used = brokers(project)
    engines = {
        "postgres": (project.database, "LEEWAY_DATABASE", "the registry is in SQLite"),
        "broker": (
            kafka_address.redacted(project.kafka) if project.kafka in used else None,
            "LEEWAY_KAFKA",
            " and ".join(map(kafka_address.redacted, used)) or "no model has its events in topics",
        ),
        "flink": (project.flink.address, "LEEWAY_FLINK", "jobs run embedded"),
        "prefect": (f"{environment.PREFIX}{PREFECT}", PREFECT, ""),
    }
    variables, elsewhere = {}, {}
    for engine, (value, usual, otherwise) in engines.items():
        name = environment.variable(value)
        if name is None and everything:
            name = usual
        if name is None:
            elsewhere[engine] = value if value and not value.startswith("sqlite:") else otherwise
        elif os.environ.get(name):
            elsewhere[engine] = f"{name} is set"
        else:
            variables[engine] = name
    return Plan(
        project=project.path,
        state=project.state,
        ports=project.stack.ports,
        slots=project.stack.slots or _slots(project),
        variables=variables,
        elsewhere=elsewhere,
        arguments=_services(project),
    )


def brokers(project: Project) -> list[str]:
    """Return the Kafka addresses of the project's topics; ``env:NAME`` for variables that are not set."""
    return sorted({source.bootstrap for source in sources(project) if source.topic})


def sources(project: Project) -> list[Source]:
    """Return the event sources of all models."""
    models = project.models.values()
    places = [place for m in models for place in (m.events.predictions, m.events.labels, m.events.history)]
    return [source for source in (*places, *(m.nearline.requests for m in models if m.nearline)) if source]


def _services(project: Project) -> dict[str, tuple[str, ...]]:
    """Return the services of Leeway itself, by name: what comes after ``leeway --project FILE``."""
    services: dict[str, tuple[str, ...]] = {"dashboard": ("dashboard", "--port", str(project.stack.ports.dashboard))}
    if project.stack.flows:
        services["flows"] = ("flows", "serve")
    for name, model in project.models.items():
        services |= {f"{kind}-{name}": (*words, "--model", name) for kind, words in _jobs(model).items()}
    if project.stack.serve:
        services["serve"] = ("serve", "--port", str(project.stack.ports.serve), *_log(project))
    if project.alerts.endpoints:
        services["alerts"] = ("alerts", "deliver", "--watch")
    return services


def _jobs(model: Model) -> dict[str, tuple[str, ...]]:
    """Return the commands that start a model's jobs over topics, unless these run, and stand beside them, by kind."""
    predictions, labels = (
        source is not None and source.topic is not None for source in (model.events.predictions, model.events.labels)
    )
    learns = learner_branch.is_wanted(model) and predictions and labels
    asked = {
        "monitor": (("monitor",), predictions),
        "nearline": (("nearline",), model.nearline is not None),
        "samples": (("samples", "follow"), learns),
        "learner": (LEARNER, learns),
    }
    return {kind: words for kind, (words, is_asked) in asked.items() if is_asked}


def _slots(project: Project) -> int:
    """Return how many slots the jobs of all models take."""
    kinds = [kind for model in project.models.values() for kind in _jobs(model)]
    return max(2, sum(1 if kind == "learner" else project.flink.parallelism for kind in kinds))


def _log(project: Project) -> tuple[str, ...]:
    """Return the option of a directory for the server's log, where a model's predictions are in a topic."""
    in_topics = any(model.events.predictions.topic for model in project.models.values())
    return ("--log", str(project.state / "serving" / "log")) if in_topics else ()
