"""The tables of the audit log and of the outbox, and the metadata that all tables of the registry are in."""

from __future__ import annotations

import sqlalchemy as sa

from registry.database.columns import digest, json, model, moment, number, serial, text

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    number("seq", primary_key=True, autoincrement=False),
    moment("at"),
    text("actor"),
    text("action"),
    text("model"),
    text("subject"),
    json("details"),
    digest("previous", unique=True),  # two lines that follow the same one would be a fork
    digest("hash", unique=True),
)

# One row: the number and hash of the log's last line. Writers lock it, so that the log has no gaps and no forks.
audit_head = sa.Table(
    "audit_head",
    metadata,
    number("id", primary_key=True, autoincrement=False),
    number("seq"),
    digest("hash"),
)

# One row: the oldest revision whose programs may still use this schema. A migration that takes something away moves it.
compatibility = sa.Table("compatibility", metadata, text("oldest", primary_key=True))

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    number("seq", sa.ForeignKey("audit_log.seq"), unique=True),
    text("type"),
    model(),
    json("data"),
    moment("created_at"),
    moment("fanned_out_at", null=True),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    serial(),
    sa.Column("message_id", sa.String(36), sa.ForeignKey("messages.id"), nullable=False),
    text("endpoint"),
    text("state"),
    number("attempts", default=0),
    moment("next_attempt_at", null=True),
    moment("leased_until", null=True),
    number("status_code", null=True),
    text("error", default=""),
    moment("delivered_at", null=True),
    sa.UniqueConstraint("message_id", "endpoint"),
)
