"""A real schema registry (Apicurio, in memory): downloaded from Maven, verified, run with the bundled Java."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from leeway.stack import coordinates, java, ports, processes

COORDINATE = "io.apicurio:apicurio-registry-app:tar.gz:all:3.0.9"
SHA256 = "2b28181501a20cbf6efcd77f9b7153908fc01f3d3a7c32024c0bd9e1b04c8a43"


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Yield the URL of its Confluent-compatible interface."""
    with tarfile.open(coordinates.artifact(COORDINATE, SHA256)) as packed:
        packed.extractall(folder, filter="data")
    (program,) = folder.glob("*-runner.jar")
    port = ports.free()
    url = f"http://{ports.HOST}:{port}/apis/ccompat/v7"
    command = [
        java.program(), "-Xmx256m", f"-Dquarkus.http.host={ports.HOST}", f"-Dquarkus.http.port={port}", "-jar",
        str(program),
    ]  # fmt: skip
    service = processes.Service(
        "registry", command, folder / "registry.log", healthy=lambda: _answers(url), environment=java.environment()
    )
    with processes.running(service):
        yield url


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/subjects", timeout=2).is_success
    except httpx.HTTPError:
        return False
