"""The registry's schema: the tables that operations and queries use, and that the migrations must make exactly."""

from __future__ import annotations

import sqlalchemy as sa

from registry.database.columns import digest, index_where, json, model, moment, number, of_version, serial, text

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

models = sa.Table(
    "models",
    metadata,
    text("model", primary_key=True),
    text("task"),
    moment("created_at"),
)

baselines = sa.Table(
    "baselines",
    metadata,
    digest("digest", primary_key=True),
    model(),
    text("version"),
    sa.Column("content", sa.Text(), nullable=False),  # the text that was hashed, so that the digest can be checked
    moment("created_at"),
    sa.UniqueConstraint("model", "version"),
)

versions = sa.Table(
    "versions",
    metadata,
    model(primary_key=True),
    text("version", primary_key=True),
    text("mode"),
    text("state"),
    text("artifact", null=True),
    text("baseline", sa.ForeignKey("baselines.digest"), null=True),
    text("parent", null=True),
    text("parent_digest", null=True),
    moment("trained_from", null=True),
    moment("trained_until", null=True),
    number("rows"),
    json("metrics"),
    moment("created_at"),
)
index_where("uq_versions_champion", versions, "model", where="state = 'champion'", unique=True)

champions = sa.Table(
    "champions",
    metadata,
    model(primary_key=True),
    text("version"),
    number("generation"),
    moment("since"),
    of_version(),
)

window_reports = sa.Table(
    "window_reports",
    metadata,
    serial(),
    text("model"),
    text("version"),
    text("segment"),
    text("stage"),
    moment("window_start"),
    moment("window_end"),
    text("verdict"),
    number("rows"),
    digest("digest"),
    digest("evidence"),
    number("revision"),
    json("signals"),
    json("report"),
    moment("created_at"),
    sa.Column("latest", sa.Boolean(), nullable=False, server_default=sa.false()),  # no later revision is there
    of_version(),
    sa.UniqueConstraint("model", "version", "segment", "stage", "window_start", "window_end", "revision"),
)
index_where("ix_window_reports_latest", window_reports, "model", "stage", "window_end", where="latest")

incidents = sa.Table(
    "incidents",
    metadata,
    serial(),
    text("model"),
    text("version"),
    text("signal"),
    text("severity"),
    text("state"),
    moment("since"),
    moment("opened_at"),
    moment("last_seen"),
    number("windows"),
    number("corrections", default=0),
    json("evidence"),
    text("pending", default=""),
    moment("resolved_at", null=True),
    text("resolution", default=""),
    number("steady", default=0),
    moment("judged_until"),
    of_version(),
)
index_where("uq_incidents_open", incidents, "model", "version", "signal", where="state != 'resolved'", unique=True)

decisions = sa.Table(
    "decisions",
    metadata,
    serial(),
    model(),
    number("incident_id", sa.ForeignKey("incidents.id"), null=True, unique=True),
    text("action"),
    json("because"),
    text("actor"),
    moment("made_at"),
)

acceptances = sa.Table(
    "acceptances",
    metadata,
    serial(),
    text("model"),
    text("version"),
    number("incident_id", sa.ForeignKey("incidents.id")),
    text("accepted_as"),
    text("variable"),
    text("kind"),
    moment("since"),
    moment("until"),
    text("because"),
    text("actor"),
    moment("made_at"),
    of_version(),
)

retrain_runs = sa.Table(
    "retrain_runs",
    metadata,
    serial(),
    number("decision_id", sa.ForeignKey("decisions.id"), unique=True),
    model(),
    text("state"),
    moment("as_of"),
    text("flow_run", null=True),
    text("challenger", null=True),
    text("reason", default=""),
    moment("started_at"),
    moment("finished_at", null=True),
    of_version("challenger"),
)
index_where("uq_retrain_runs_running", retrain_runs, "model", where="state = 'running'", unique=True)

checks = sa.Table(
    "checks",
    metadata,
    serial(),
    number("run_id", sa.ForeignKey("retrain_runs.id")),
    text("version"),
    text("name"),
    text("result"),
    text("got"),
    text("want"),
    json("numbers"),
    sa.UniqueConstraint("run_id", "version", "name"),
)

promotions = sa.Table(
    "promotions",
    metadata,
    serial(),
    model(),
    text("from_version", null=True),
    text("to_version"),
    number("generation"),
    text("kind"),
    number("decision_id", sa.ForeignKey("decisions.id"), null=True),
    number("run_id", sa.ForeignKey("retrain_runs.id"), null=True),
    text("actor"),
    text("reason"),
    moment("effective_at"),
    moment("made_at"),
    of_version("to_version"),
    sa.UniqueConstraint("model", "generation"),
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

audits = sa.Table(
    "audits",
    metadata,
    serial(),
    model(),
    moment("period_start"),
    moment("period_end"),
    sa.Column("passed", sa.Boolean(), nullable=False),
    json("findings"),
    json("numbers"),
    text("report"),
    moment("made_at"),
)
