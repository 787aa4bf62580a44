"""The views whose facts become files, and where: a view is a directory, to all that reads facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from features.errors import ProjectError
from features.facts.declaration import FactFiles, FactSource
from features.facts.sql_view import SqlView
from leeway.project import landed
from leeway.project.landed import LandedSource


@dataclass(frozen=True, kw_only=True)
class LandedView(LandedSource):
    """A view of other facts, whose rows land.

    Parameters
    ----------
    view
        The declaration.
    of
        The files of the facts that it reads.
    needed
        Columns that its query must select, with what each is.
    state
        The state folder.
    """

    view: SqlView
    of: FactFiles
    needed: Mapping[str, str]
    state: Path

    @property
    def waits(self) -> str:
        """Files: how many facts they hold is known once they are read."""
        return "files"


def of_view(name: str, declared: FactSource, of: FactFiles, place: str, state: Path) -> LandedView:
    """Return the view that makes the facts *name* of other ones.

    Parameters
    ----------
    name
        The facts' name.
    declared
        Their declaration.
    of
        The files of the facts that are read.
    place
        Where they are as the project file says, or the name of the directory in which they land.
    state
        The state folder.
    """
    if declared.sql is None:
        msg = f"the facts {name} are no view"
        raise ProjectError(msg)
    view = declared.sql.model_dump(mode="json", by_alias=True, exclude={"poll"})
    needed = {declared.id: "the id"} if declared.id else {}
    needed |= {declared.time: "the time"} | ({declared.known_time: "the known_time"} if declared.known_time else {})
    folder = landed.directory(
        state, f"facts {name}", [view, needed, of.model_dump(mode="json", exclude={"path"}), place]
    )
    return LandedView(name=f"facts {name}", key=f"facts.{name}", label=f"view of {declared.sql.source}", unit="facts",
                      folder=folder, poll=declared.sql.poll, view=declared.sql, of=of, needed=needed,
                      state=state)  # fmt: skip
