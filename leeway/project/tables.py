"""The tables that a project reads events and facts from, and where their rows become files.

All that reads events reads directories. So a table is a directory too: of the files in which its rows have landed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from features.errors import ProjectError
from features.facts.declaration import FactFeature, FactSource
from features.schema import EventSchema, Role
from features.security import secret_file
from features.table import Table
from leeway.project import environment

FILE = "file:"
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class LandedTable:
    """A table, and the directory in which its rows land as files.

    Parameters
    ----------
    name
        What it is of, for messages: ``late: labels``, ``facts landings``.
    key
        Where it is declared in the project file, like ``models.late.events.labels.table``.
    table
        The declaration.
    columns
        The columns that are read, sorted; the table's key is read beside them.
    folder
        The directory, which another declaration does not share.
    project
        The folder of the project file.
    state
        The state folder.
    """

    name: str
    key: str
    table: Table
    columns: tuple[str, ...]
    folder: Path
    project: Path
    state: Path

    @property
    def is_facts(self) -> bool:
        """Whether it is a table of facts, which several models may share."""
        return self.key.startswith("facts.")

    def url(self) -> str:
        """Return the database's URL, from the environment or the file that the project file names.

        Raises
        ------
        ProjectError
            The variable is not set, or the file is not there or may be read by others.
        """
        value = self.table.database
        if value.startswith(FILE):
            path = self.project / value.removeprefix(FILE)
            if not path.is_file():
                msg = f"{self.key}.database names the file {path}, which is not there"
                raise ProjectError(msg, hint="write the database's URL into it, and chmod 600 it")
            value = secret_file.read(path)
        else:
            value = environment.resolve(
                value, self.state, what="a table's database", example="postgresql://user:password@host/database"
            )
        if value.startswith(_SQLITE):
            return f"{_SQLITE}{self.project / value.removeprefix(_SQLITE)}"
        return value


def of_events(role: str, table: Table, model: EventSchema, project: Path, state: Path) -> LandedTable:
    """Return the table of a model's labels or history.

    Parameters
    ----------
    role
        ``labels`` or ``history``.
    table
        The declaration.
    model
        The model's event schema.
    project, state
        The folder of the project file, and the state folder.
    """
    from features.events import decode  # it needs pandas, which a project without tables does not

    decoded: Role = "labels" if role == "labels" else "requests"  # which have what history has
    columns = {column for column, _ in decode.event_columns(model, decoded).values()}
    return _landed(
        f"{model.model}: {role}", f"models.{model.model}.events.{role}.table", table, columns, (project, state)
    )


def of_facts(name: str, source: FactSource, features: Iterable[FactFeature], project: Path, state: Path) -> LandedTable:
    """Return the table of the facts *name*, with the columns that the *features* of all models need."""
    if source.table is None:
        msg = f"the facts {name} are in no table"
        raise ProjectError(msg)
    columns = {source.time, *filter(None, (source.id, source.known_time))}
    for feature in features:
        if feature.source == name:
            columns |= {feature.column, *(column for _, column in feature.key)}
    return _landed(f"facts {name}", f"facts.{name}.table", source.table, columns, (project, state))


def _landed(name: str, key: str, table: Table, columns: Collection[str], places: tuple[Path, Path]) -> LandedTable:
    """Return a table with a directory whose name follows from all that decides what its rows are."""
    project, state = places
    declared = table.model_dump(mode="json", exclude={"poll"})
    content = json.dumps([declared, sorted(columns)], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    folder = state / "tables" / f"{name.replace(': ', '.').replace(' ', '.')}-{digest}"
    return LandedTable(name, key, table, tuple(sorted(columns)), folder, project, state)
