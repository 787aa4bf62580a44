"""Column types of the registry's tables: times in UTC, JSON on either database, keys and references."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from features.errors import RegistryError
from features.window import UTC


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A time that is aware in Python and in UTC in the database; SQLite, which has no time zones, stores it without."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True
    """It has no parameters, so SQLAlchemy may cache the statements that it is in."""

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Return *value* in UTC; RegistryError if it has no time zone, for then it names no moment."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"{value.isoformat()} has no time zone"
            raise RegistryError(msg, hint="pass an aware datetime")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Return *value* aware and in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def text(name: str, *args: Any, null: bool = False, **options: Any) -> sa.Column[str]:
    """Return a column of text."""
    return sa.Column(name, sa.String(), *args, nullable=null, **options)


def digest(name: str, **options: Any) -> sa.Column[str]:
    """Return a column of a sha256 in hex."""
    return sa.Column(name, sa.String(64), nullable=False, **options)


def number(name: str, *args: Any, null: bool = False, **options: Any) -> sa.Column[int]:
    """Return a column of integers."""
    return sa.Column(name, sa.Integer(), *args, nullable=null, **options)


def moment(name: str, *, null: bool = False) -> sa.Column[datetime]:
    """Return a column of times."""
    return sa.Column(name, UtcDateTime(), nullable=null)


def json(name: str) -> sa.Column[Any]:
    """Return a column of JSON, binary where the database has it."""
    return sa.Column(name, sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False)


def serial() -> sa.Column[int]:
    """Return the primary key ``id``, numbered by the database."""
    return sa.Column("id", sa.Integer(), primary_key=True)


def model(**options: Any) -> sa.Column[str]:
    """Return the column ``model``, which names a registered one."""
    return text("model", sa.ForeignKey("models.model"), **options)


def of_version(column: str = "version") -> sa.ForeignKeyConstraint:
    """Return the foreign key of ``model`` and *column* together to a registered version."""
    return sa.ForeignKeyConstraint(["model", column], ["versions.model", "versions.version"])


def index_where(name: str, table: sa.Table, *columns: str, where: str, unique: bool = False) -> None:
    """Add a partial index over the rows that *where*, in SQL, picks; a unique one allows one row a key at most."""
    condition = sa.text(where)
    picked = [table.c[column] for column in columns]
    sa.Index(name, *picked, unique=unique, sqlite_where=condition, postgresql_where=condition)
