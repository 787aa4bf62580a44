"""Checks of a project's environment: variables, trainers, and modules hidden by Leeway's own packages."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from features.errors import LeewayError
from leeway.project import environment
from leeway.project.landed import LandedTable
from leeway.project.load import Model, Project

Result = Literal["ok", "warning", "error"]
ROOMS = ("leeway", "features", "monitors", "registry", "retrain_flows", "serving", "alerts", "dashboards", "alembic")


@dataclass(frozen=True)
class Check:
    """One check with its result; *message* is the finding and, for warnings and errors, the fix."""

    name: str
    result: Result
    message: str


def surroundings(project: Project) -> Iterator[Check]:
    """Yield the checks of everything except the events."""
    yield from names(project.folder)
    yield from variables(project)
    for model in project.models.values():
        yield from trainers(model, project.folder)


def names(folder: Path) -> Iterator[Check]:
    """Yield an error for each module of the user that a package of Leeway with the same name hides."""
    hidden = [path for room in ROOMS for path in (folder / f"{room}.py", folder / room) if _would_hide(path, room)]
    for path in hidden:
        message = (
            f"`import {path.stem}` imports Leeway's own package, never {path.name}; rename it, "
            f"for instance to my_{path.name}"
        )
        yield Check("names", "error", message)
    if not hidden:
        yield Check("names", "ok", f"no module in {folder.name or folder} clashes with a Leeway package name")


def _would_hide(path: Path, room: str) -> bool:
    spec = importlib.util.find_spec(room)
    own = spec is not None and spec.origin is not None and Path(spec.origin).resolve().is_relative_to(path.resolve())
    return path.exists() and not own and (path.suffix == ".py" or any(path.glob("*.py")))


def variables(project: Project) -> Iterator[Check]:
    """Yield whether each environment variable that the project file names is set."""
    wanted = {e.secret_env: f"the key of alert endpoint {e.name}" for e in project.alerts.endpoints}
    if name := environment.variable(project.database):
        wanted[name] = "the database URL"
    for source in (source for model in project.models.values() for source in model.landed):
        if isinstance(source, LandedTable) and (name := environment.variable(source.table.database)):
            wanted[name] = f"the database of {source.key}"
    values = {**environment.of_stack(project.state), **os.environ}
    for variable, use in wanted.items():
        if values.get(variable):
            yield Check("variables", "ok", f"{variable} ({use}) is set")
        else:
            yield Check("variables", "error", f"{variable} is not set; it holds {use}: export {variable}=...")


def trainers(model: Model, folder: Path) -> Iterator[Check]:
    """Yield whether the trainers of `retrain` can be imported."""
    from retrain_flows.training import static  # slow: scikit-learn and River; only where a model retrains

    if model.retrain is None:
        return
    for mode, target in model.retrain.trainers.items():
        name = f"{model.name}: {mode} trainer"
        try:
            static.load_trainer(target, folder)
        except LeewayError as error:
            yield Check(name, "error", f"{error.message}{'; ' + error.hint if error.hint else ''}")
        else:
            yield Check(name, "ok", f"{target} can be imported")
