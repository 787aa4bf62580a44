"""The context of a command: the project and its registry, opened and closed together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from leeway.project.load import Model, Project
from registry.connection import Registry
from registry.files.artifacts import ArtifactStore


@dataclass(frozen=True)
class Context:
    """An open project; *dir* is its state folder, which exists."""

    project: Project
    registry: Registry
    artifacts: ArtifactStore
    dir: Path

    def model(self, name: str | None = None) -> Model:
        """Return the model *name*, by default the only one. Raises NotFound, which lists the models."""
        return self.project.model(name)


@contextmanager
def open(project_path: Path) -> Iterator[Context]:  # noqa: A001 - read as `context.open`, like gzip.open
    """Open the project at *project_path* with its registry; both are closed when the block ends.

    The state folder and an embedded database are created where they are missing. Raises ProjectError, RegistryError.
    """
    project = Project.load(project_path)
    project.state.mkdir(parents=True, exist_ok=True)
    with Registry.open(project.database_url(), project.state / "artifacts", project.audit_secret()) as registry:
        yield Context(project, registry, registry.artifacts, project.state)
