"""SQL views: facts that one Flink SQL query makes of other facts, row by row.

A query that looks at one row at a time has one meaning: in a stream, over all files at once, and over any part of them.
So it can be run on what is new alone, and what was computed is never computed anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from features.schema import FeatureKind
from features.table import DEFAULT_POLL, Poll

if TYPE_CHECKING:
    from features.facts.declaration import FactSource

_IDENTIFIER = r"^[^\W\d]\w{0,62}$"


class SqlView(BaseModel):
    """A view of other facts, of one row at a time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(alias="from", description="the facts that are read, and the table's name in the query")
    columns: dict[Annotated[str, StringConstraints(pattern=_IDENTIFIER)], FeatureKind] = Field(
        default_factory=dict,
        description="their columns that the query reads beside id and times: numeric (DOUBLE) or categorical (STRING)",
    )
    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        description="a SELECT of Flink SQL that looks at one row at a time"
    )
    poll: Poll = Field(DEFAULT_POLL, description="how often new facts are looked for while something follows the view")


def problems(sources: Mapping[str, FactSource]) -> Iterator[tuple[str, str, str]]:
    """Yield facts, key and message of what is wrong with views beside the facts that they name.

    Parameters
    ----------
    sources
        The facts of the project by name.
    """
    for name, own in sources.items():
        if own.sql is None:
            continue
        of = sources.get(own.sql.source)
        if of is None:
            others = ", ".join(other for other, each in sources.items() if each.sql is None) or "none"
            yield name, "sql", f"there are no facts {own.sql.source!r} to make a view of; there are: {others}"
        elif of.sql is not None:
            yield name, "sql", f"{own.sql.source!r} is a view, too: write both into one query"
        elif of.id and not own.id:
            yield name, "sql", f"{own.sql.source} have an id, so a record may correct one: select it, and set `id` here"
        else:
            for column in {of.id, of.time, of.known_time} & own.sql.columns.keys():
                yield name, "sql", f"`{column}` is there already, as an id or a time: leave it out of `columns`"
