"""Forgeries: changes to a registry's database that bypass the program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from registry import audit_export
from registry.audit_log import chain, verification
from registry.connection import Registry
from registry.database import mapping, tables
from registry.records import AuditEntry

LOG, HEAD = tables.audit_log, tables.audit_head


@contextmanager
def forging(url: str) -> Iterator[sa.Connection]:
    """Yield a connection of somebody who may do anything in the database."""
    engine = sa.create_engine(url)
    try:
        with engine.begin() as c:
            if c.dialect.name == "postgresql":
                c.exec_driver_sql("SET session_replication_role = replica")
            yield c
    finally:
        engine.dispose()


def findings(reg: Registry) -> list[str]:
    """Return what an audit of the registry itself finds."""
    return verification.verify(audit_export.collect(reg))


def recompute(c: sa.Connection, alter: Callable[[AuditEntry], AuditEntry | None], sign: Any = None) -> list[AuditEntry]:
    """Write the log anew as *alter* wants each line (None: without it), with a chain of hashes that fits."""
    lines = mapping.fetch(c, AuditEntry, mapping.select(AuditEntry).order_by(LOG.c.seq))
    c.execute(LOG.delete())
    previous, made = chain.GENESIS, list[AuditEntry]()
    for line in filter(None, map(alter, lines)):
        new = line.model_copy(update={"seq": len(made) + 1, "previous": previous, "details": dict(line.details)})
        if sign and "signature" in new.details:
            content = new.model_dump(exclude={"previous", "hash"})
            new.details["signature"] = sign(chain.signed_text(previous, content))
        made.append(new.model_copy(update={"hash": chain.hash_of(new)}))
        previous = made[-1].hash
        c.execute(LOG.insert().values(made[-1].model_dump()))
    c.execute(HEAD.update().values(seq=len(made), hash=previous))
    return made


def renamed(line: AuditEntry) -> AuditEntry:
    """Return the line as if bob had done what ann did."""
    return line.model_copy(update={"actor": "bob" if line.actor == "ann" else line.actor})
