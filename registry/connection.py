"""The connection to the registry's database: one writer at a time, readers on a snapshot, errors with a hint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from features.errors import RegistryError
from features.window import UTC
from registry.audit_log import chain, evidence, seals, verification
from registry.audit_log.heads import Heads
from registry.database import mapping, migrate, tables
from registry.database.errors import translated_errors
from registry.files.artifacts import ArtifactStore
from registry.records import AuditEntry

LOCK_WAIT_SECONDS = 30.0
"""Seconds that a writer waits for the one before it."""
IDLE_SECONDS = 120
"""Seconds after which PostgreSQL ends a transaction whose writer is silent: one cut off would hold up all others."""
_KEEPALIVE = {"connect_timeout": 10, "keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 4,
         "tcp_user_timeout": 30_000}  # fmt: skip
"""PostgreSQL's settings (s; tcp_user_timeout in ms) for when a connection counts as lost, unless the URL sets them: the
operating system's would take hours."""


class Registry:
    """The registry's database and its store of model files. Safe to share between threads.

    Use :meth:`open`, unless the schema is to be inspected or migrated by hand.

    Parameters
    ----------
    url
        SQLAlchemy's URL: ``sqlite:///path`` or ``postgresql://...``.
    artifacts
        The folder of model files. The audit log's signed heads are beside it.
    secret
        The key of the audit log's signatures; if empty, the key is in a file beside the folder of model files.
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
        """Open the registry, and make its schema if it is new; RegistryError if this program may not use its schema."""
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
        """Yield a connection that reads one snapshot of the registry."""
        with translated_errors(), self._reader.begin() as c:
            yield c

    @contextmanager
    def write(self, now: datetime | None = None) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction; one writer at a time, and all of it is written or nothing.

        It ends with a line of the audit log that digests the rows that :mod:`registry.database.mapping` wrote; that
        line's number and hash are then signed in a file outside of the database too.

        Parameters
        ----------
        now
            The time of that line. Needed where the transaction writes rows and no line of its own.

        Raises
        ------
        RegistryAway
            The database is away, or another writer keeps it for longer than :data:`LOCK_WAIT_SECONDS`.
        RegistryError
            The database refuses what is written, or nothing says at what time it was.
        """
        signer = self.heads.signer()
        with translated_errors(), self._writer.begin() as c:
            if not self._sqlite:
                _lock_writers(c)
            mapping.pop_written(c)
            chain.pop_lines(c)
            yield c
            end = seals.seal(c, now, signer)
        if end and signer:
            self.heads.add(end, signer)

    def migrate(self, revision: str = "head") -> None:
        """Upgrade the schema to *revision*; rows of an older schema are digested anew, as they are."""
        before, signer, ends = self.schema_version(), self.heads.signer(), list[AuditEntry]()
        found = self._differences() if before else []

        def take_stock(c: sa.Connection) -> None:
            after = migrate.current_of(c)
            if before and before != after == migrate.head():
                why = seals.RowInventory(datetime.now(UTC), chain.SYSTEM, f"schema {before} became {after}", found)
                ends.append(seals.inventory_rows(c, why, signer))

        with translated_errors():
            migrate.upgrade(self._writer, revision, then=take_stock)
        if signer and ends:
            self.heads.add(ends[0], signer)

    def _differences(self) -> list[str]:
        """Return the findings of an audit before a migration; none where the log has no digests yet."""
        with self.read() as c:
            newest = sa.select(tables.audit_log.c.seq).where(tables.audit_log.c.action.in_(seals.ACTIONS)).limit(1)
            if c.scalar(newest) is None:
                return []
            found = evidence.read_evidence(c, self.heads.existing_signer)
        return verification.verify(replace(found, heads=self.heads.read()))

    def downgrade(self, revision: str) -> None:
        """Downgrade the schema to *revision* (``base`` drops all tables)."""
        with translated_errors():
            migrate.downgrade(self._writer, revision)

    def schema_version(self) -> str | None:
        """Return the revision of the schema, None where there is no registry yet."""
        with translated_errors():
            return migrate.current(self._reader)

    def serves(self) -> bool:
        """Return whether this program may use the registry; its schema may be newer, if that allows older programs."""
        with translated_errors():
            return migrate.serves(self._reader)

    def oldest_served(self) -> str | None:
        """Return the oldest schema whose programs may use the registry, None where that is not recorded."""
        with translated_errors():
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
        link = {name: value for name, value in _KEEPALIVE.items() if name not in url.query}
        return sa.create_engine(url, pool_pre_ping=True, json_serializer=_to_json, connect_args=link)
    engine = sa.create_engine(url, connect_args={"timeout": LOCK_WAIT_SECONDS}, json_serializer=_to_json)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _lock_writers(c: sa.Connection) -> None:
    """Wait for the writer before this one, as SQLite does by itself: each locks the end of the audit log first."""
    c.exec_driver_sql(f"SET LOCAL lock_timeout = {int(LOCK_WAIT_SECONDS * 1000)}")
    c.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_SECONDS * 1000}")
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
