"""The database of a table: opened to be read only, one short transaction at a time, its errors as TableError.

What is in a table is data. Names that reach SQL are those of the project file, quoted by SQLAlchemy, and only if the
database itself lists them; values reach it as parameters.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import exc, pool

from features.errors import TableAway, TableError
from leeway.project.landed import LandedTable

WAIT_SECONDS = 10
"""Seconds to wait for a connection, or for a lock of SQLite."""
STATEMENT_SECONDS = 120
"""Seconds after which PostgreSQL ends a query: one without an index on the key would take longer each time."""
_POSTGRES = "postgresql+psycopg"


def engine(table: LandedTable) -> sa.Engine:
    """Return an engine that opens a connection for each use: tables are read seldom, and servers come and go.

    Raises
    ------
    ProjectError
        The variable or file of the URL cannot be read.
    TableError
        The URL is none, or the driver is not installed.
    """
    text = table.url()
    try:
        url = sa.make_url(text)
    except (exc.ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() not in ("sqlite", "postgresql") or not url.database:
        msg = f"{table.key}.database stands for no URL of PostgreSQL or SQLite that names a database"
        raise TableError(msg, hint="write it like postgresql://user:password@host/database or sqlite:///file.db")
    return _sqlite(url.database) if url.get_backend_name() == "sqlite" else _postgres(url)


def _sqlite(path: str) -> sa.Engine:
    """Return an engine of a file that is there; raise TableError if it is not."""

    def connect() -> sqlite3.Connection:
        # A file that is not there is not made, and nothing is written.
        link = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=WAIT_SECONDS, check_same_thread=False)
        link.text_factory = _text
        return link

    if not Path(path).is_file():
        msg = f"there is no database {path}"
        raise TableError(msg, hint="correct the path: SQLite's file must be there")
    return sa.create_engine("sqlite://", creator=connect, poolclass=pool.NullPool)


def _text(raw: bytes) -> str | bytes:
    """Return text of SQLite, as it came where it is not UTF-8: the decoder sets that record aside, not this query."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _postgres(url: sa.URL) -> sa.Engine:
    """Return an engine of a server; raise TableError without the driver."""
    link = {"connect_timeout": WAIT_SECONDS, "keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 4}
    usable = {name: value for name, value in link.items() if name not in url.query}
    try:
        made = sa.create_engine(url.set(drivername=_POSTGRES), poolclass=pool.NullPool, connect_args=usable)
        from leeway.landed.tables import postgres_values  # needs the driver, which is an extra
    except ImportError as error:
        msg = "the driver of PostgreSQL is not installed"
        raise TableError(msg, hint="pip install 'leeway[postgres]'") from error
    sa.event.listen(made, "connect", postgres_values.accept_all)
    return made


@contextmanager
def reading(opened: sa.Engine, table: LandedTable) -> Iterator[sa.Connection]:
    """Yield a connection in a transaction that can only read.

    Raises
    ------
    TableAway
        The database does not answer, or is busy.
    TableError
        It refuses.
    """
    try:
        with opened.connect() as c:
            if c.dialect.name == "postgresql":  # of this transaction, so that a pooler of connections may be between
                c.exec_driver_sql("SET TRANSACTION READ ONLY")
                c.exec_driver_sql(f"SET LOCAL statement_timeout = {STATEMENT_SECONDS * 1000}")
            yield c
    except exc.SQLAlchemyError as error:
        raise _translated(error, table) from error


def _translated(error: exc.SQLAlchemyError, table: LandedTable) -> TableError:
    """Return the error in Leeway's terms; a driver's text names no password."""
    cause: Any = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split())
    msg = f"{table.name} cannot be read from the table {table.table.name}: {text}"
    if "timeout" in text and "statement" in text:
        return TableAway(msg, hint=f"make an index on {table.table.key}, by which the rows are read")
    if isinstance(error, exc.OperationalError) and "no such" not in text:
        return TableAway(msg, hint=f"is the database of {table.key} running, and may this user open it?")
    return TableError(msg, hint=f"let this user read the table, or correct {table.key}")
