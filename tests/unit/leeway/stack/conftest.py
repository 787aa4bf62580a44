"""Projects with a planned stack, on free ports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from leeway.project.load import Project
from leeway.project.stack_section import Ports
from leeway.stack import ports

MODEL = """
models:
  m:
    task: binary
    events: {{predictions: {{{place}}}, version: v1}}
    features: {{x: numeric}}
"""
VARIABLES = ("LEEWAY_DATABASE", "LEEWAY_KAFKA", "LEEWAY_FLINK", "PREFECT_API_URL")

Make = Callable[..., Project]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return a maker of projects: what the file says besides its model, and where the model's events are."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)

    def made(more: str = "", place: str = "path: events") -> Project:
        (tmp_path / "leeway.yaml").write_text(f"project: p\n{MODEL.format(place=place)}\n{more}\n")
        return Project.load(tmp_path)

    return made


@pytest.fixture
def free_ports() -> str:
    """Return a `stack` section with ports that are free."""
    return "stack: {ports: {" + ", ".join(f"{name}: {ports.free()}" for name in Ports.model_fields) + "}}"
