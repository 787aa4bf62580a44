"""The registry's schema: the tables that operations and queries use, and that the migrations must make exactly."""

from __future__ import annotations

import sqlalchemy as sa

from registry.database import log_tables
from registry.database.columns import digest, index_where, json, model, moment, number, of_version, serial, text

metadata = log_tables.metadata
audit_log = log_tables.audit_log
audit_head = log_tables.audit_head
compatibility = log_tables.compatibility
messages = log_tables.messages
deliveries = log_tables.deliveries

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
    number("revision", default=1),
    moment(
        "published_at", null=True
    ),  # when a later revision was published to the jobs; the first is so from the start
    sa.UniqueConstraint("model", "version", "revision", name="uq_baselines_revision"),
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
    number("incident_id", sa.ForeignKey("incidents.id"), null=True),
    text("action"),
    json("because"),
    text("actor"),
    moment("made_at"),
    number("revision", default=1),
    sa.UniqueConstraint("incident_id", "revision", name="uq_decisions_revision"),
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

# One row a look: two versions compared on the same rows, before a promotion (of a run) or after it (of a promotion).
comparisons = sa.Table(
    "comparisons",
    metadata,
    serial(),
    model(),
    text("kind"),
    text("series"),
    number("run_id", sa.ForeignKey("retrain_runs.id"), null=True),
    number("promotion_id", sa.ForeignKey("promotions.id"), null=True),
    text("candidate"),
    text("reference"),
    moment("until"),
    number("look"),
    text("result"),
    text("reason"),
    json("slices"),
    json("history"),
    json("numbers"),
    moment("made_at"),
    of_version("candidate"),
    sa.UniqueConstraint("kind", "run_id", "promotion_id", "candidate", "look", name="uq_comparisons_look"),
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
