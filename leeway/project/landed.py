"""The tables and topics whose rows and records become files, and where.

All that reads events and facts reads directories. So such a source is a directory too: of the files in which what came
of it has landed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from features.errors import ProjectError
from features.facts.declaration import FactSource
from features.schema import EventSchema, Role, Source
from features.security import secret_file
from features.table import Table
from leeway.project import environment

FILE = "file:"


@dataclass(frozen=True, kw_only=True)
class LandedSource:
    """A table, a topic or a view, and the directory in which what is new of it lands as files.

    Parameters
    ----------
    name
        What it is of, for messages: ``late: labels``, ``facts landings``.
    key
        Where it is declared in the project file, like ``models.late.events.labels.table``.
    label
        What is read, for messages: ``table outcomes``, ``topic landings``, ``view of landings``.
    unit
        What lands: ``rows`` of a table, ``records`` of a topic, ``facts`` of a view.
    folder
        The directory, which another declaration does not share.
    poll
        How often it is looked at while something follows it.
    """

    name: str
    key: str
    label: str
    unit: str
    folder: Path
    poll: timedelta

    @property
    def is_facts(self) -> bool:
        """Whether it is of facts, which several models may share."""
        return self.key.startswith("facts.")

    @property
    def waits(self) -> str:
        """What waits to be read."""
        return self.unit

    def beside(self, suffix: str) -> Path:
        """Return a file beside the directory that belongs to it."""
        return self.folder.with_name(f"{self.folder.name}.{suffix}")


@dataclass(frozen=True, kw_only=True)
class LandedTopic(LandedSource):
    """A topic whose records land as they came; *source* is its place and format, with the addresses of now."""

    source: Source


@dataclass(frozen=True, slots=True)
class Onward:
    """The topic into which a table's rows go on, as the labels of a model with the event schema *schema*."""

    to: Source
    schema: EventSchema


@dataclass(frozen=True, kw_only=True)
class LandedTable(LandedSource):
    """A table whose rows land.

    Parameters
    ----------
    table
        The declaration.
    columns
        The columns that are read, sorted; the table's key is read beside them.
    project
        The folder of the project file.
    state
        The state folder.
    onward
        Where the rows go on once they have landed, if anywhere.
    """

    table: Table
    columns: tuple[str, ...]
    project: Path
    state: Path
    onward: Onward | None = None

    @property
    def events(self) -> Source:
        """What reads its rows as events: the topic into which they go on, or its directory."""
        return self.onward.to if self.onward else Source(path=str(self.folder))

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
        if value.startswith(environment.SQLITE):
            return environment.sqlite_url(self.project, value.removeprefix(environment.SQLITE))
        return value


def of_events(
    role: str, table: Table, model: EventSchema, places: tuple[Path, Path], to: Source | None = None
) -> LandedTable:
    """Return the table of a model's labels or history.

    Parameters
    ----------
    role
        ``labels`` or ``history``.
    table
        The declaration.
    model
        The model's event schema.
    places
        The folder of the project file, and the state folder.
    to
        The topic into which its rows go on, if they do.
    """
    from features.events import decode  # it needs pandas, which a project without tables does not

    decoded: Role = "labels" if role == "labels" else "requests"  # which have what history has
    columns = {column for column, _ in decode.event_columns(model, decoded).values()}
    key = f"models.{model.model}.events.{role}.table"
    made = _table(f"{model.model}: {role}", key, table, columns, places)
    return replace(made, onward=Onward(to, model)) if to else made


def of_facts(name: str, source: FactSource, read: Iterable[str], project: Path, state: Path) -> LandedTable:
    """Return the table of the facts *name*, with the columns that features of all models and views *read*."""
    if source.table is None:
        msg = f"the facts {name} are in no table"
        raise ProjectError(msg)
    columns = {source.time, *filter(None, (source.id, source.known_time)), *read}
    return _table(f"facts {name}", f"facts.{name}.table", source.table, columns, (project, state))


def of_topic(name: str, declared: FactSource, source: Source, state: Path) -> LandedTopic:
    """Return the topic of the facts *name*.

    Its directory follows from what is declared, not from the addresses of now; records that landed keep the Avro schema
    that the file had, so another one is another directory.

    Parameters
    ----------
    name
        The facts' name.
    declared
        Their declaration.
    source
        The topic with absolute paths and the addresses of now.
    state
        The state folder.
    """
    schema = Path(source.avro_schema) if source.avro_schema else None
    text = schema.read_text("utf-8", "replace") if schema and schema.is_file() else declared.avro_schema
    decisive = [declared.topic, declared.bootstrap, declared.format, text, declared.schema_registry]
    folder = directory(state, f"facts {name}", decisive)
    return LandedTopic(name=f"facts {name}", key=f"facts.{name}", label=f"topic {declared.topic}", unit="records",
                       folder=folder, poll=declared.poll, source=source)  # fmt: skip


def _table(name: str, key: str, table: Table, columns: Collection[str], places: tuple[Path, Path]) -> LandedTable:
    """Return a table with its directory."""
    project, state = places
    folder = directory(state, name, [table.model_dump(mode="json", exclude={"poll"}), sorted(columns)])
    return LandedTable(
        name=name, key=key, label=f"table {table.name}", unit="rows", folder=folder, poll=table.poll, table=table,
        columns=tuple(sorted(columns)), project=project, state=state,
    )  # fmt: skip


def directory(state: Path, name: str, decisive: list[Any]) -> Path:
    """Return a directory under *state* for what is called *name*, which follows from all that decides what lands."""
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:12]
    return state / "landed" / f"{name.replace(': ', '.').replace(' ', '.')}-{digest}"
