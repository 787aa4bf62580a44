"""Settings of a backtest: the project's model, a draft made from a log, and policies that differ in some keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import BaseModel, ValidationError

from features.errors import ProjectError
from features.schema import Task
from leeway.init import starter_file
from leeway.project import validation_errors, yaml_positions
from leeway.project.load import Model, Project

SECTIONS = ("monitor", "incidents", "signals", "retrain")
"""The sections of a model that a policy may change."""


@contextmanager
def drafted(log: Path, *, task: Task | None = None) -> Iterator[Project]:
    """Yield a project as `leeway init --from` would write it for a log, in a temporary folder.

    Raises
    ------
    DataError
        The file or folder is not a log of events.
    """
    with TemporaryDirectory(prefix="leeway-backtest-") as folder:
        yield starter_file.write(Path(folder) / "leeway.yaml", log.resolve(), model="model", task=task)


def with_policies(model: Model, files: Sequence[Path]) -> list[tuple[str, Model]]:
    """Return the model's settings as they are, and with the keys of each policy file in place of its own.

    Raises
    ------
    ProjectError
        A file cannot be read, or has a key or a value that is not allowed.
    """
    return [("project", model), *((path.stem, _changed(model, path)) for path in files)]


def _changed(model: Model, path: Path) -> Model:
    """Return a model with the keys of a policy file in place of its own."""
    try:
        document = yaml_positions.parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}"
        raise ProjectError(msg, hint="a policy file is a readable text file in UTF-8") from error
    keys: Mapping[str, Any] = document.data if isinstance(document.data, Mapping) else {}
    unknown = set(keys) - set(SECTIONS)
    if document.problems or unknown or not keys:
        wrong = ", ".join(map(str, document.problems)) or f"unknown keys: {', '.join(sorted(unknown)) or 'none at all'}"
        msg = f"{path.name} is no policy: {wrong}"
        raise ProjectError(msg, hint=f"it has keys of the sections {', '.join(SECTIONS)}")
    try:
        changed: dict[str, Any] = {name: _merged(getattr(model, name), change) for name, change in keys.items()}
        return replace(model, **changed)
    except ValidationError as error:
        problems = "\n".join(f"  {path.name}:{p}" for p in validation_errors.explain(error.errors(), document))
        msg = f"{path.name} is no policy\n{problems}"
        raise ProjectError(msg, hint="`leeway schema` describes every key") from error


def _merged(section: BaseModel, change: Mapping[str, Any]) -> BaseModel:
    """Return a section with some of its keys changed, at any depth."""
    return type(section).model_validate(_deep(section.model_dump(mode="json"), change))


def _deep(values: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for key, value in change.items():
        old = merged.get(key)
        merged[key] = _deep(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged
