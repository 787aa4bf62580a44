"""The door to the database: one writer at a time, readers on a snapshot, driver errors said once in our own words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy import exc

from features.errors import RegistryAway, RegistryError
from features.window import UTC
from registry.audit_log import chain, evidence, seals, verification
from registry.audit_log.heads import Heads
from registry.database import mapping, migrate, tables
from registry.files.artifacts import ArtifactStore
from registry.records import AuditEntry

BUSY_SECONDS = 30.0
"""How long a writer waits for the one before it."""
SILENT_SECONDS = 120
"""How long PostgreSQL waits for the next word of a writer: one that the network has cut off holds up all others."""
_LINK = {"connect_timeout": 10, "keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 4,
         "tcp_user_timeout": 30_000}  # fmt: skip
"""How soon a connection counts as lost, unless the URL says so: the system would wait for hours."""

_HINTS = {
    "locked": "another process keeps the database locked; try again",
    "lock timeout": "another process keeps the database locked; try again",
    "statement timeout": "it took too long, and nothing was changed; try again when the database is less busy",
    "no such table": "leeway db upgrade",
    "no such column": "leeway db upgrade",
    "does not exist": "leeway db upgrade",
}


class Registry:
    """A database and an artifact store: what is true, and the files it speaks of.

    *url* is SQLAlchemy's (``sqlite:///path`` or ``postgresql://...``); *artifacts* is the folder of model files. Beside
    it are the audit log's signed heads and their key, unless *secret* is the key. Safe to share between threads. Use
    :meth:`open`, unless the schema is to be looked at or migrated by hand.
    """

    def __init__(self, url: str, artifacts: Path, secret: str = "") -> None:
        self.url = sa.make_url(url)
        self.artifacts = ArtifactStore(artifacts)
        self.heads = Heads.beside(artifacts, secret)
        if self._sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        self._engine = _engine(self.url)
        snapshot = {} if self._sqlite else {"isolation_level": "REPEATABLE READ"}
        self._reader = self._engine.execution_options(**snapshot)
        self._writer = self._engine.execution_options(writes=True)

    @classmethod
    def open(cls, url: str, artifacts: Path, secret: str = "") -> Registry:
        """Open the registry, making it if it is new; RegistryError if its schema is not this program's."""
        reg = cls(url, artifacts, secret)
        try:
            reg.need_schema()
        except BaseException:
            reg.close()
            raise
        return reg

    def need_schema(self) -> None:
        """Make the schema where there is none; RegistryError if there is one that this program may not use."""
        at, head = self.schema_version(), migrate.head()
        if at is None:
            self.migrate()
        elif at == head or self.serves():
            return
        elif migrate.is_newer(at):
            msg = f"the registry's schema {at} is newer than this program's ({head})"
            raise RegistryError(msg, hint=migrate.INSTALL)
        else:
            msg = f"the registry's schema is {at}; this program needs {head}"
            raise RegistryError(msg, hint="leeway db upgrade")

    @property
    def _sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Yield a connection that sees one moment of the registry."""
        with _in_our_words(), self._reader.begin() as c:
            yield c

    @contextmanager
    def write(self, now: datetime | None = None) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction that no other writer shares: all of it happens, or nothing.

        It ends with a line of the audit log that digests what :mod:`registry.database.mapping` wrote, and then that
        line is signed outside of the database too. A transaction that writes rows and no line of its own needs the time
        *now*.
        """
        signer = self.heads.signer()
        with _in_our_words(), self._writer.begin() as c:
            if not self._sqlite:
                _take_turn(c)
            mapping.taken(c)
            chain.taken(c)
            yield c
            end = seals.seal(c, now, signer)
        if end and signer:
            self.heads.add(end, signer)

    def migrate(self, revision: str = "head") -> None:
        """Bring the schema up to *revision*. The rows that an older one has are digested as they were found."""
        before, signer, ends = self.schema_version(), self.heads.signer(), list[AuditEntry]()
        found = self._differences() if before else []

        def take_stock(c: sa.Connection) -> None:
            after = migrate.current_of(c)
            if before and before != after == migrate.head():
                why = seals.RowInventory(datetime.now(UTC), chain.SYSTEM, f"schema {before} became {after}", found)
                ends.append(seals.inventory_rows(c, why, signer))

        with _in_our_words():
            migrate.upgrade(self._writer, revision, then=take_stock)
        if signer and ends:
            self.heads.add(ends[0], signer)

    def _differences(self) -> list[str]:
        """Return what does not fit before a migration; nothing where the log has no digests yet."""
        with self.read() as c:
            newest = sa.select(tables.audit_log.c.seq).where(tables.audit_log.c.action.in_(seals.ACTIONS)).limit(1)
            if c.scalar(newest) is None:
                return []
            found = evidence.of(c, self.heads.known)
        return verification.verify(replace(found, heads=self.heads.read()))

    def downgrade(self, revision: str) -> None:
        """Take the schema back to *revision* (``base`` drops everything)."""
        with _in_our_words():
            migrate.downgrade(self._writer, revision)

    def schema_version(self) -> str | None:
        """Return the revision the database is at, or None where there is no registry yet."""
        with _in_our_words():
            return migrate.current(self._reader)

    def serves(self) -> bool:
        """Return whether this program may use the registry: its schema may be newer, as long as it says so."""
        with _in_our_words():
            return migrate.serves(self._reader)

    def oldest_served(self) -> str | None:
        """Return the oldest schema whose programs may use the registry, None where it does not say."""
        with _in_our_words():
            return migrate.oldest(self._reader)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        link = {name: value for name, value in _LINK.items() if name not in url.query}
        return sa.create_engine(url, pool_pre_ping=True, json_serializer=_to_json, connect_args=link)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS}, json_serializer=_to_json)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _take_turn(c: sa.Connection) -> None:
    """Wait until no other writer is left, as SQLite does by itself: every one locks the end of the audit log first."""
    c.exec_driver_sql(f"SET LOCAL lock_timeout = {int(BUSY_SECONDS * 1000)}")
    c.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {SILENT_SECONDS * 1000}")
    c.execute(sa.select(tables.audit_head.c.seq).with_for_update())


def _to_json(value: object) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError as error:  # PostgreSQL and every receiver of a message would refuse it, so SQLite does too
        msg = f"not every number is finite in {value}"
        raise RegistryError(msg, hint="leave out what could not be computed") from error


def _prepare_sqlite(connection: Any, _: object) -> None:
    # The driver's own BEGIN comes late and only before writes; ours is sent by _begin_sqlite.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(c: sa.Connection) -> None:
    # A transaction that reads and then writes fails at once if another wrote in between; IMMEDIATE waits its turn.
    c.exec_driver_sql("BEGIN IMMEDIATE" if c.get_execution_options().get("writes") else "BEGIN")


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except exc.IntegrityError as error:
        msg = f"the registry refuses: {error.orig}"
        raise RegistryError(msg, hint="the move breaks one of its rules; read again and decide again") from error
    except exc.StatementError as error:
        if isinstance(error.orig, RegistryError):  # raised by a column's type
            raise error.orig from error
        said = str(error.orig)
        msg = f"the registry cannot be used: {said}"
        hint = next((hint for word, hint in _HINTS.items() if word in said), "")
        raise (RegistryAway if _away(error, said) else RegistryError)(msg, hint=hint) from error
    except (exc.SQLAlchemyError, CommandError) as error:
        msg = f"the registry cannot be used: {error}"
        raise RegistryError(msg) from error


def _away(error: exc.StatementError, said: str) -> bool:
    """Say whether the same may succeed later: the server is away or busy, not the statement wrong."""
    if not isinstance(error, exc.OperationalError):
        return isinstance(error, exc.DBAPIError) and error.connection_invalidated
    # For SQLite a missing table is an operational error too.
    return "locked" in said if type(error.orig).__module__ == "sqlite3" else True
