"""Errors of the database and its driver, translated into RegistryError with a hint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic.util import CommandError
from sqlalchemy import exc

from features.errors import RegistryAway, RegistryError

_HINTS = {
    "locked": "another process keeps the database locked; try again",
    "lock timeout": "another process keeps the database locked; try again",
    "statement timeout": "it took too long, and nothing was changed; try again when the database is less busy",
    "no such table": "leeway db upgrade",
    "no such column": "leeway db upgrade",
    "does not exist": "leeway db upgrade",
}
"""The hint for a driver's error, by words that are in its text."""


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
        text = str(error.orig)
        msg = f"the registry cannot be used: {text}"
        hint = next((hint for words, hint in _HINTS.items() if words in text), "")
        raise (RegistryAway if _is_transient(error, text) else RegistryError)(msg, hint=hint) from error
    except (exc.SQLAlchemyError, CommandError) as error:
        msg = f"the registry cannot be used: {error}"
        raise RegistryError(msg) from error


def _is_transient(error: exc.StatementError, text: str) -> bool:
    """Return whether the same may succeed later: the server is away or busy, and the statement is right."""
    if not isinstance(error, exc.OperationalError):
        return isinstance(error, exc.DBAPIError) and error.connection_invalidated
    # For SQLite a missing table is an operational error too.
    return "locked" in text if type(error.orig).__module__ == "sqlite3" else True
