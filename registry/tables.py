"""The registry's tables, once: moves and queries read them here, and the migrations must make exactly these."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment: aware in Python, UTC in the database (SQLite knows no zones, so it is kept there without one)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Return *value* in UTC; a time without a zone is refused, since nobody could tell which moment it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"{value.isoformat()} has no time zone"
            raise ValueError(msg)
        utc = value.astimezone(timezone.utc)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Return *value* aware and in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


Json = sa.JSON().with_variant(JSONB(), "postgresql")


def _text(name: str, *args: Any, default: str | None = None, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), *args, nullable=null, default=default)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer(), primary_key=True)


def _time(name: str, *, null: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, UtcDateTime(), nullable=null)


def _model() -> sa.Column[str]:
    return _text("model", sa.ForeignKey("models.model"))


def _of_version(column: str = "version") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["model", column], ["versions.model", "versions.version"])


models = sa.Table(
    "models",
    metadata,
    sa.Column("model", sa.String(), primary_key=True),
    _text("task"),
    _time("created_at"),
)

baselines = sa.Table(
    "baselines",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    _model(),
    _text("version"),
    sa.Column("content", sa.Text(), nullable=False),  # the text that was hashed, so that the digest can be checked
    _time("created_at"),
    sa.UniqueConstraint("model", "version"),
)

versions = sa.Table(
    "versions",
    metadata,
    sa.Column("model", sa.String(), sa.ForeignKey("models.model"), primary_key=True),
    sa.Column("version", sa.String(), primary_key=True),
    _text("mode"),
    _text("state"),
    _text("artifact", null=True),
    _text("baseline", sa.ForeignKey("baselines.digest"), null=True),
    _text("parent", null=True),
    _text("parent_digest", null=True),
    _time("trained_from", null=True),
    _time("trained_until", null=True),
    sa.Column("rows", sa.Integer(), nullable=False),
    sa.Column("metrics", Json, nullable=False),
    _time("created_at"),
)
ONE_CHAMPION = sa.Index(
    "uq_versions_champion",
    versions.c.model,
    unique=True,
    sqlite_where=versions.c.state == "champion",
    postgresql_where=versions.c.state == "champion",
)

champions = sa.Table(
    "champions",
    metadata,
    sa.Column("model", sa.String(), sa.ForeignKey("models.model"), primary_key=True),
    _text("version"),
    sa.Column("generation", sa.Integer(), nullable=False),
    _time("since"),
    _of_version(),
)

window_reports = sa.Table(
    "window_reports",
    metadata,
    _id(),
    _text("model"),
    _text("version"),
    _text("segment"),
    _text("stage"),
    _time("window_start"),
    _time("window_end"),
    _text("verdict"),
    sa.Column("rows", sa.Integer(), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("revision", sa.Integer(), nullable=False),
    sa.Column("report", Json, nullable=False),
    _time("created_at"),
    sa.Column("latest", sa.Boolean(), nullable=False, server_default=sa.false()),  # whether no later revision is there
    _of_version(),
    sa.UniqueConstraint("model", "version", "segment", "stage", "window_start", "window_end", "revision"),
)

NEWEST = sa.Index(
    "ix_window_reports_latest",
    window_reports.c.model,
    window_reports.c.stage,
    window_reports.c.window_end,
    sqlite_where=sa.text("latest"),
    postgresql_where=sa.text("latest"),
)

incidents = sa.Table(
    "incidents",
    metadata,
    _id(),
    _text("model"),
    _text("version"),
    _text("signal"),
    _text("state"),
    _time("opened_at"),
    _time("last_seen"),
    sa.Column("windows", sa.Integer(), nullable=False),
    sa.Column("evidence", Json, nullable=False),
    _text("pending", default=""),
    _time("resolved_at", null=True),
    _text("resolution", default=""),
    # The steady windows since the last drift, and the newest window counted among them.
    sa.Column("steady", sa.Integer(), nullable=False, default=0),
    _time("steady_until", null=True),
    _of_version(),
)
ONE_EPISODE = sa.Index(
    "uq_incidents_open",
    incidents.c.model,
    incidents.c.version,
    incidents.c.signal,
    unique=True,
    sqlite_where=incidents.c.state != "resolved",
    postgresql_where=incidents.c.state != "resolved",
)

decisions = sa.Table(
    "decisions",
    metadata,
    _id(),
    _model(),
    sa.Column("incident_id", sa.Integer(), sa.ForeignKey("incidents.id"), unique=True),
    _text("action"),
    sa.Column("because", Json, nullable=False),
    _text("actor"),
    _time("made_at"),
)

retrain_runs = sa.Table(
    "retrain_runs",
    metadata,
    _id(),
    sa.Column("decision_id", sa.Integer(), sa.ForeignKey("decisions.id"), nullable=False, unique=True),
    _model(),
    _text("state"),
    _time("as_of"),
    _text("flow_run", null=True),
    _text("challenger", null=True),
    _text("reason", default=""),
    _time("started_at"),
    _time("finished_at", null=True),
    _of_version("challenger"),
)
ONE_RUNNING = sa.Index(
    "uq_retrain_runs_running",
    retrain_runs.c.model,
    unique=True,
    sqlite_where=retrain_runs.c.state == "running",
    postgresql_where=retrain_runs.c.state == "running",
)

checks = sa.Table(
    "checks",
    metadata,
    _id(),
    sa.Column("run_id", sa.Integer(), sa.ForeignKey("retrain_runs.id"), nullable=False),
    _text("version"),
    _text("name"),
    _text("result"),
    _text("got"),
    _text("want"),
    sa.Column("numbers", Json, nullable=False),
    sa.UniqueConstraint("run_id", "version", "name"),
)

promotions = sa.Table(
    "promotions",
    metadata,
    _id(),
    _model(),
    _text("from_version", null=True),
    _text("to_version"),
    sa.Column("generation", sa.Integer(), nullable=False),
    _text("kind"),
    sa.Column("decision_id", sa.Integer(), sa.ForeignKey("decisions.id")),
    sa.Column("run_id", sa.Integer(), sa.ForeignKey("retrain_runs.id")),
    _text("actor"),
    _text("reason"),
    _time("effective_at"),
    _time("made_at"),
    _of_version("to_version"),
    sa.UniqueConstraint("model", "generation"),
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
    _time("at"),
    _text("actor"),
    _text("action"),
    _text("model"),
    _text("subject"),
    sa.Column("details", Json, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
)

# One row: where the audit log ends. Writers lock it, so that the log has no gaps and no forks.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("seq", sa.Integer(), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("seq", sa.Integer(), sa.ForeignKey("audit_log.seq"), nullable=False, unique=True),
    _text("type"),
    _model(),
    sa.Column("data", Json, nullable=False),
    _time("created_at"),
    _time("fanned_out_at", null=True),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    _id(),
    sa.Column("message_id", sa.String(36), sa.ForeignKey("messages.id"), nullable=False),
    _text("endpoint"),
    _text("state"),
    sa.Column("attempts", sa.Integer(), nullable=False, default=0),
    _time("next_attempt_at", null=True),
    _time("leased_until", null=True),
    sa.Column("status_code", sa.Integer()),
    _text("error", default=""),
    _time("delivered_at", null=True),
    sa.UniqueConstraint("message_id", "endpoint"),
)

audits = sa.Table(
    "audits",
    metadata,
    _id(),
    _model(),
    _time("period_start"),
    _time("period_end"),
    sa.Column("passed", sa.Boolean(), nullable=False),
    sa.Column("findings", Json, nullable=False),
    sa.Column("numbers", Json, nullable=False),
    _text("report"),
    _time("made_at"),
)
