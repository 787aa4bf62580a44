"""A table of a database as a source of records: where it is, and by which column new rows are recognised.

Rows become visible when their transaction ends, not when they got their key. So a reader goes back by an *overlap* each
time, and knows the rows again that it has.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints

from features.window import Span, format_span, parse_span

_IDENTIFIER = r"[^\W\d]\w{0,62}"
_DATABASE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+|sqlite:///.+|postgresql(\+psycopg)?://.+")
_SECRET = re.compile(r"://[^/@]*:[^/@]*@|[?&][^=&]*pass[^=&]*=", re.IGNORECASE)


def _database(value: str) -> str:
    """Return where a database is, if it names a place and holds no password; raise ValueError otherwise."""
    if _SECRET.search(value):
        msg = "holds a password; put the URL into an environment variable and write env:ITS_NAME here"
        raise ValueError(msg)
    if not _DATABASE.fullmatch(value):
        msg = (
            "is no sqlite:///FILE or postgresql://HOST/DATABASE, no variable that holds one, like env:LABELS_DATABASE, "
            "and no file that only its owner may read, like file:secrets/database"
        )
        raise ValueError(msg)
    return value


def _overlap(value: Any) -> Any:
    """Return a number as it is, and the length of time that a text describes."""
    return parse_span(value) if isinstance(value, str) else value


def _not_negative(value: int | timedelta) -> int | timedelta:
    if isinstance(value, int) and value < 0:
        msg = f"{value} is negative: a reader goes back, not forward"
        raise ValueError(msg)
    return value


Overlap = Annotated[
    Annotated[int, Field(strict=True)] | timedelta,
    BeforeValidator(_overlap, json_schema_input_type=int | str),
    AfterValidator(_not_negative),
    PlainSerializer(lambda value: value if isinstance(value, int) else format_span(value), return_type=int | str),
]
"""How far a reader goes back: a whole number for keys that are numbers, a length of time for keys that are times."""


Poll = Annotated[Span, Field(ge=timedelta(seconds=1))]
"""How often a table, or a topic that lands as one does, is looked at."""
DEFAULT_POLL = timedelta(seconds=10)


class Table(BaseModel):
    """A table of PostgreSQL or SQLite whose rows are read as they are added."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: Annotated[str, AfterValidator(_database)] = Field(
        description="the database's URL without a password, env:NAME of the variable or file:PATH that holds it"
    )
    name: Annotated[str, StringConstraints(pattern=rf"^({_IDENTIFIER}\.)?{_IDENTIFIER}$")] = Field(
        description="the table or view, as the database spells it; schema.table where it is not in the default one"
    )
    key: Annotated[str, StringConstraints(pattern=rf"^{_IDENTIFIER}$")] = Field(
        description="column that grows from row to row: a whole number, or a time"
    )
    overlap: Overlap = Field(
        description="how far behind the largest key a row may become visible: a number, or for times a length like 10m"
    )
    poll: Poll = Field(DEFAULT_POLL, description="how often new rows are looked for while something follows the table")

    @property
    def counts(self) -> bool:
        """Whether the key is a whole number, as the overlap says; else it is a time."""
        return isinstance(self.overlap, int)

    @property
    def place(self) -> tuple[str | None, str]:
        """The schema, None for the default one, and the name in it."""
        schema, _, name = self.name.rpartition(".")
        return schema or None, name
