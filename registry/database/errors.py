"""Errors of the database and its driver, translated into RegistryError with a hint."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from alembic.util import CommandError
from sqlalchemy import exc

from features.errors import RegistryAway, RegistryError

UPGRADE = "leeway db upgrade"
ADDRESS = "correct the database, the user or the password in the registry's address"
_LOCKED = "another process keeps the database locked; try again"
_BY_STATE = {
    "42P01": UPGRADE,  # a table is missing
    "42703": UPGRADE,  # a column is missing
    "55P03": _LOCKED,
    "57014": "it took too long, and nothing was changed; try again when the database is less busy",
    "3D000": ADDRESS,  # there is no such database
    "28000": ADDRESS,  # this user may not log in
    "28P01": ADDRESS,  # the password is wrong
}
"""The hint by PostgreSQL's SQLSTATE."""
_BY_WORDS = {"locked": _LOCKED, "no such table": UPGRADE, "no such column": UPGRADE}
"""The hint by words in the text of SQLite's error."""
_REFUSED = re.compile(
    r'FATAL: +(database|role) ".*" does not exist|authentication failed for user|no password supplied'
    r"|no pg_hba\.conf entry|is not permitted to log in|permission denied for database"
)
"""What a server says that refuses a connection for good: the driver has no SQLSTATE of it, other than of statements."""


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise errors of the database or its driver as RegistryError, with a hint where one is known.

    Raises
    ------
    RegistryAway
        The same may succeed later: the server is away, or another process keeps the database locked.
    RegistryError
        All else.
    """
    try:
        yield
    except exc.IntegrityError as error:
        msg = f"the registry refuses: {error.orig}"
        raise RegistryError(msg, hint="the change breaks one of its rules; read again and decide again") from error
    except exc.StatementError as error:
        if isinstance(error.orig, RegistryError):  # raised by a column's type
            raise error.orig from error
        msg, hint = f"the registry cannot be used: {error.orig}", _hint(error.orig)
        raise (RegistryAway if _is_transient(error, hint) else RegistryError)(msg, hint=hint) from error
    except (exc.SQLAlchemyError, CommandError) as error:
        msg = f"the registry cannot be used: {error}"
        raise RegistryError(msg) from error


def _hint(error: BaseException | None) -> str:
    """Return how a driver's error is mended, "" where that is not known."""
    state, text = getattr(error, "sqlstate", None), str(error)
    if state is not None:
        return _BY_STATE.get(state, "")
    if not _is_sqlite(error):
        return ADDRESS if _REFUSED.search(text) else ""
    return next((hint for words, hint in _BY_WORDS.items() if words in text), "")


def _is_transient(error: exc.StatementError, hint: str) -> bool:
    """Return whether the same may succeed later: the server is away or busy, and address and statement are right."""
    if not isinstance(error, exc.OperationalError):
        return isinstance(error, exc.DBAPIError) and error.connection_invalidated
    # For SQLite a missing table is an operational error too.
    return hint == _LOCKED if _is_sqlite(error.orig) else hint not in (ADDRESS, UPGRADE)


def _is_sqlite(error: BaseException | None) -> bool:
    return type(error).__module__ == "sqlite3"
