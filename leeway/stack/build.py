"""Builds the services of a stack plan: folders, configuration, jars and commands."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from features.security import certificates, local_http
from leeway.stack import broker, cluster, ports, postgres
from leeway.stack.plan import LEARNER, Plan
from leeway.stack.processes import Service
from retrain_flows.orchestration import server, server_settings

MARK = "LEEWAY_STACK"
"""The environment variable that marks every process of a stack, so that leftovers can be found."""


def engines(plan: Plan) -> list[Service]:
    """Return the engines that the plan starts here. Raises EngineError if one cannot be prepared."""
    at, made = plan.ports, []
    if "postgres" in plan.variables:
        made.append(postgres.service(plan.folder / "postgres", at.postgres, plan.logs / "postgres.log"))
    if "broker" in plan.variables:
        folder, shown = plan.folder / "kafka", certificates.key_folder(_broker_keys(plan))
        made.append(broker.service(folder, at.kafka, at.kafka_controller, plan.logs / "broker.log", shown))
    if "flink" in plan.variables:
        made += cluster.services(_cluster(plan), plan.logs)
    if "prefect" in plan.variables:
        made.append(_prefect(plan))
    return [_with_mark(service, plan, {}) for service in made]


def settings(plan: Plan) -> dict[str, str]:
    """Return the addresses of the started engines by the project's variables, and Prefect's secret."""
    addresses = {
        "postgres": lambda: postgres.url(plan.folder / "postgres", plan.ports.postgres),
        "broker": lambda: broker.address(plan.ports.kafka, _broker_keys(plan)),
        "flink": lambda: _cluster(plan).address,
        "prefect": lambda: f"http://{ports.HOST}:{plan.ports.prefect}/api",
    }
    secrets = {server_settings.AUTH: server_settings.secret(plan.state)} if "prefect" in plan.variables else {}
    return {**{variable: addresses[engine]() for engine, variable in plan.variables.items()}, **secrets}


def leeway_services(plan: Plan) -> list[Service]:
    """Return Leeway's own services, with the engines' addresses in their environment."""
    return [
        _with_mark(leeway(plan, name, *arguments), plan, settings(plan)) for name, arguments in plan.arguments.items()
    ]


def leeway(plan: Plan, name: str, *arguments: str) -> Service:
    """Return `leeway ARGUMENTS` on the plan's project as a service."""
    port = {"dashboard": plan.ports.dashboard, "serve": plan.ports.serve}.get(name)
    return Service(
        name=name,
        command=[sys.executable, "-m", "leeway", "--project", str(plan.project), *arguments],
        log=plan.logs / f"{name}.log",
        healthy=lambda: port is None or ports.answers(port),
        stop_signal=signal.SIGTERM,
        may_end=arguments[: len(LEARNER)] == LEARNER,
    )


def migration(plan: Plan) -> Service:
    """Return the command that migrates the registry's schema."""
    return _with_mark(leeway(plan, "migration", "db", "upgrade"), plan, settings(plan))


def _broker_keys(plan: Plan) -> Path:
    return plan.folder / "kafka" / "keys"


def _cluster(plan: Plan) -> cluster.Cluster:
    at = plan.ports
    return cluster.Cluster(
        folder=plan.folder / "flink", rest=at.flink, rpc=at.flink_rpc, slots=plan.slots,
        jobmanager_metrics=at.jobmanager_metrics or 0, taskmanager_metrics=at.taskmanager_metrics or 0,
    )  # fmt: skip


def _prefect(plan: Plan) -> Service:
    port = plan.ports.prefect
    return Service(
        name="prefect",
        command=server_settings.command(port),
        log=plan.logs / "prefect.log",
        healthy=lambda: local_http.answers(f"{server_settings.address(port)}/health", timeout=3),
        environment=server_settings.environment(plan.state, port),
        start_seconds=server.START_SECONDS,
    )


def _with_mark(service: Service, plan: Plan, more: Mapping[str, str]) -> Service:
    return replace(service, environment={**(service.environment or os.environ), **more, MARK: str(plan.folder)})
