"""The audit log of a registry, checked with nothing but itself."""

from __future__ import annotations

import sqlalchemy as sa

from registry.audit_log import chain
from registry.connection import Registry
from registry.database import mapping, tables
from registry.records import AuditEntry


def verify(reg: Registry) -> list[str]:
    """Return the findings on the audit log, in sentences; none if no line was altered, removed or added."""
    with reg.read() as c:
        head = c.execute(sa.select(tables.audit_head.c.seq, tables.audit_head.c.hash)).one()
        log = mapping.fetch(c, AuditEntry, mapping.select(AuditEntry).order_by(tables.audit_log.c.seq))
    return chain.verify(log, seq=head.seq, head=head.hash)
