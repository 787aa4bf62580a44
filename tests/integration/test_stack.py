"""`leeway up`: all services start, a killed one is restarted, and `leeway down` leaves no process."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kafka
import psutil
import psycopg
import pytest

from features import kafka_address
from leeway.project import environment
from leeway.project.load import Project
from leeway.project.stack_section import Ports
from leeway.stack import plan, ports, state

pytestmark = pytest.mark.slow

ENGINES = {"postgres", "broker", "jobmanager", "taskmanager", "prefect"}
VARIABLES = ("LEEWAY_DATABASE", "LEEWAY_KAFKA", "LEEWAY_FLINK", "PREFECT_API_URL", "LEEWAY_PROJECT")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Yield a project that leaves every address to the environment, on free ports; its stack is ended in any case."""
    chosen = ", ".join(f"{name}: {ports.free()}" for name in Ports.model_fields if "metrics" not in name)
    (tmp_path / "leeway.yaml").write_text(
        "project: p\ndatabase: env:LEEWAY_DATABASE\nflink: {address: 'env:LEEWAY_FLINK'}\n"
        "models: {m: {task: binary, events: {predictions: {path: events}, version: v1}, features: {x: numeric}}}\n"
        f"stack: {{ports: {{{chosen}}}}}\n"
    )
    yield Project.load(tmp_path)
    leeway(tmp_path, "down")


def leeway(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder, in a shell that knows no server."""
    known = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    command = [sys.executable, "-m", "leeway", *arguments]
    return subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, timeout=200, check=False)


def services_of(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """Return the services that `leeway up --json` printed."""
    assert 0 == done.returncode, done.stderr
    return {s["name"]: s for s in json.loads(done.stdout)["services"]}


def until(true: Callable[[], object]) -> None:
    """Wait until *true*, and fail if that takes five minutes: servers start slowly where the machine is busy."""
    last = time.monotonic() + 300
    while not true():
        assert time.monotonic() < last
        time.sleep(0.1)


def again(project: Project, name: str, before: int) -> bool:
    """Return whether a service is up again after its *before*-th restart."""
    known = state.load(environment.stack_folder(project.state))
    found = known.service(name) if known else None
    return found is not None and found.restarts > before and found.condition == "up"


def test_a_stack_starts_mends_itself_and_leaves_nothing(project: Project) -> None:
    """All engines are up and found by any command; killed ones come back with their data; after `down` nothing runs."""
    folder = environment.stack_folder(project.state)
    started = services_of(leeway(project.folder, "up", "--all", "--json"))
    assert {*ENGINES, "dashboard", "flows"} == set(started)
    assert {"up"} == {s["condition"] for s in started.values()}

    assert [] == strangers(plan.plan_stack(project, everything=True).wanted_ports())
    _produce(environment.of_stack(project.state)["LEEWAY_KAFKA"])
    for name in ("broker", "postgres", "taskmanager"):
        os.kill(started[name]["pid"], signal.SIGKILL)
    until(lambda: all(again(project, name, 0) for name in ("broker", "postgres", "taskmanager")))

    assert b"kept" == _consume(environment.of_stack(project.state)["LEEWAY_KAFKA"])
    until(lambda: all(s["condition"] == "up" for s in services_of(leeway(project.folder, "up", "--json")).values()))
    doctor = leeway(project.folder, "doctor", "--json")
    assert [] == [c for c in json.loads(doctor.stdout)["checks"] if c["result"] == "error"]
    assert "broker" in leeway(project.folder, "logs", "broker").stdout

    pids = [s["pid"] for s in services_of(leeway(project.folder, "up", "--json")).values()]
    assert 0 == leeway(project.folder, "down").returncode
    assert [] == [pid for pid in pids if psutil.pid_exists(pid)]
    assert [] == state.leftovers(folder)
    assert {} == environment.of_stack(project.state)
    assert [] == [
        port for port in plan.plan_stack(project, everything=True).wanted_ports().values() if ports.answers(port)
    ]


#: Pages with a guard of their own (`test_prefect_guard.py`, the dashboard's tests).
READ_BY_ANYBODY = {"dashboard", "prefect"}


def strangers(wanted: dict[str, int]) -> list[str]:
    """Return the services that hear out who shows neither certificate nor password."""
    return [name for name, port in wanted.items() if name not in READ_BY_ANYBODY and not _is_shut(name, port)]


def _is_shut(name: str, port: int) -> bool:
    if name == "postgres":
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://leeway@127.0.0.1:{port}/leeway", connect_timeout=10)
        return True
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as raw, anybody.wrap_socket(raw) as wrapped:
            wrapped.recv(1)
    except ssl.SSLError as error:
        return "CERTIFICATE" in str(error.reason)
    return False


def _produce(bootstrap: str) -> None:
    producer = kafka.KafkaProducer(**kafka_address.parse(bootstrap).python_options())
    producer.send("events", b"kept", timestamp_ms=1_357_000_000_000).get(30)  # of 2013: never too old to keep
    producer.close()


def _consume(bootstrap: str) -> Any:
    consumer = kafka.KafkaConsumer(
        "events",
        **kafka_address.parse(bootstrap).python_options(),
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )
    try:
        return next(iter(consumer)).value
    finally:
        consumer.close()
