"""Settings of a backtest: the project's model, a draft made from a log, and policies that differ in some keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from features.errors import NoIdColumn
from leeway.infer.roles import ColumnWishes
from leeway.init import add_ids, starter_file
from leeway.project.load import Model, Project
from leeway.project.section import Section
from leeway.replay import policies
from monitors.config import MonitorPolicy
from registry.config import IncidentPolicy
from retrain_flows.config import Retrain, Signals


class Sections(Section):
    """The sections of a model that a policy of a backtest may override."""

    monitor: MonitorPolicy
    incidents: IncidentPolicy
    signals: Signals
    retrain: Retrain | None


@contextmanager
def drafted(log: Path, wishes: ColumnWishes) -> Iterator[Project]:
    """Yield a project as `leeway init --from` would write it for a log, in a temporary folder.

    A backtest makes predictions of its own: those of the log, with or without versions, are not read.

    Parameters
    ----------
    log
        A labelled log, a folder, or a file, which is then all of it; rows without an id are numbered in a copy.
    wishes
        The columns and the task that the user has named.

    Raises
    ------
    DataError
        The file or folder is not a log of events, or has no labels.
    """
    wishes = replace(wishes, as_history=True)
    with TemporaryDirectory(prefix="leeway-backtest-") as folder:
        file = Path(folder) / "leeway.yaml"
        try:
            project = starter_file.write(file, log.resolve(), model="model", wishes=wishes, one_file=True)
        except NoIdColumn:
            numbered = add_ids.copy(log.resolve(), Path(folder))
            project = starter_file.write(file, numbered, model="model", wishes=wishes, one_file=True)
        yield project


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
    own = Sections(monitor=model.monitor, incidents=model.incidents, signals=model.signals, retrain=model.retrain)
    changed, _ = policies.overridden(path, own, model)
    return replace(model, monitor=changed.monitor, incidents=changed.incidents, signals=changed.signals,
                   retrain=changed.retrain)  # fmt: skip
