"""The registry: models, windows, incidents, decisions, promotions, the audit log and the outbox.

Revision 0001, the first.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.Integer()
TEXT = sa.String()
DIGEST = sa.String(64)


def upgrade() -> None:
    _make_models()
    _make_windows()
    _make_decisions()
    _make_log()


def downgrade() -> None:
    order = ("audits", "deliveries", "messages", "audit_head", "audit_log", "promotions", "checks", "retrain_runs",
             "decisions", "incidents", "window_reports", "champions", "versions", "baselines", "models")  # fmt: skip
    for table in order:
        op.drop_table(table)


def _make_models() -> None:
    _table("models", _key("model", TEXT), *_needed(task=TEXT, created_at=MOMENT))
    _table(
        "baselines", _key("digest", DIGEST), *_needed(model=TEXT, version=TEXT, content=sa.Text(), created_at=MOMENT),
        _refer("baselines", "model", "models.model"), _unique("baselines", "model", "version"),
    )  # fmt: skip
    _table(
        "versions", _key("model", TEXT), _key("version", TEXT), *_needed(mode=TEXT, state=TEXT),
        *_free(artifact=TEXT, baseline=TEXT, parent=TEXT, parent_digest=TEXT),
        *_free(trained_from=MOMENT, trained_until=MOMENT),
        *_needed(rows=NUMBER, metrics=JSON, created_at=MOMENT),
        _refer("versions", "model", "models.model"), _refer("versions", "baseline", "baselines.digest"),
    )  # fmt: skip
    _only_one("uq_versions_champion", "versions", ["model"], "state = 'champion'")
    _table(
        "champions", _key("model", TEXT), *_needed(version=TEXT, generation=NUMBER, since=MOMENT),
        _refer("champions", "model", "models.model"), _refer_version("champions", "version"),
    )  # fmt: skip


def _make_windows() -> None:
    _table(
        "window_reports", _key("id", NUMBER),
        *_needed(model=TEXT, version=TEXT, segment=TEXT, stage=TEXT, window_start=MOMENT, window_end=MOMENT,
                 verdict=TEXT, rows=NUMBER, digest=DIGEST, revision=NUMBER, report=JSON, created_at=MOMENT),
        _refer_version("window_reports", "version"),
        _unique("window_reports", "model", "version", "segment", "stage", "window_start", "window_end", "revision"),
    )  # fmt: skip
    _table(
        "incidents", _key("id", NUMBER),
        *_needed(model=TEXT, version=TEXT, signal=TEXT, state=TEXT, opened_at=MOMENT, last_seen=MOMENT, windows=NUMBER,
                 evidence=JSON, pending=TEXT, resolution=TEXT, steady=NUMBER, judged_until=MOMENT),
        *_free(resolved_at=MOMENT),
        _refer_version("incidents", "version"),
    )  # fmt: skip
    _only_one("uq_incidents_open", "incidents", ["model", "version", "signal"], "state != 'resolved'")


def _make_decisions() -> None:
    _table(
        "decisions", _key("id", NUMBER), *_needed(model=TEXT), *_free(incident_id=NUMBER),
        *_needed(action=TEXT, because=JSON, actor=TEXT, made_at=MOMENT),
        _refer("decisions", "model", "models.model"), _refer("decisions", "incident_id", "incidents.id"),
        _unique("decisions", "incident_id"),
    )  # fmt: skip
    _table(
        "retrain_runs", _key("id", NUMBER), *_needed(decision_id=NUMBER, model=TEXT, state=TEXT, as_of=MOMENT),
        *_needed(reason=TEXT, started_at=MOMENT), *_free(flow_run=TEXT, challenger=TEXT, finished_at=MOMENT),
        _refer("retrain_runs", "decision_id", "decisions.id"), _refer("retrain_runs", "model", "models.model"),
        _refer_version("retrain_runs", "challenger"), _unique("retrain_runs", "decision_id"),
    )  # fmt: skip
    _only_one("uq_retrain_runs_running", "retrain_runs", ["model"], "state = 'running'")
    _table(
        "checks", _key("id", NUMBER),
        *_needed(run_id=NUMBER, version=TEXT, name=TEXT, result=TEXT, got=TEXT, want=TEXT, numbers=JSON),
        _refer("checks", "run_id", "retrain_runs.id"), _unique("checks", "run_id", "version", "name"),
    )  # fmt: skip
    _table(
        "promotions", _key("id", NUMBER), *_needed(model=TEXT), *_free(from_version=TEXT),
        *_needed(to_version=TEXT, generation=NUMBER, kind=TEXT), *_free(decision_id=NUMBER, run_id=NUMBER),
        *_needed(actor=TEXT, reason=TEXT, effective_at=MOMENT, made_at=MOMENT),
        _refer("promotions", "model", "models.model"), _refer_version("promotions", "to_version"),
        _refer("promotions", "decision_id", "decisions.id"), _refer("promotions", "run_id", "retrain_runs.id"),
        _unique("promotions", "model", "generation"),
    )  # fmt: skip


def _make_log() -> None:
    _table(
        "audit_log", _key("seq", NUMBER, autoincrement=False),
        *_needed(at=MOMENT, actor=TEXT, action=TEXT, model=TEXT, subject=TEXT, details=JSON),
        *_needed(previous=DIGEST, hash=DIGEST),
        _unique("audit_log", "hash"),
    )  # fmt: skip
    head = _table("audit_head", _key("id", NUMBER, autoincrement=False), *_needed(seq=NUMBER, hash=DIGEST))
    first = hashlib.sha256(b"leeway audit log, version 1").hexdigest()
    op.bulk_insert(head, [{"id": 1, "seq": 0, "hash": first}])
    _table(
        "messages", _key("id", sa.String(36)),
        *_needed(seq=NUMBER, type=TEXT, model=TEXT, data=JSON, created_at=MOMENT), *_free(fanned_out_at=MOMENT),
        _refer("messages", "seq", "audit_log.seq"), _refer("messages", "model", "models.model"),
        _unique("messages", "seq"),
    )  # fmt: skip
    _table(
        "deliveries", _key("id", NUMBER), *_needed(message_id=sa.String(36), endpoint=TEXT, state=TEXT),
        *_needed(attempts=NUMBER, error=TEXT),
        *_free(next_attempt_at=MOMENT, leased_until=MOMENT, status_code=NUMBER, delivered_at=MOMENT),
        _refer("deliveries", "message_id", "messages.id"), _unique("deliveries", "message_id", "endpoint"),
    )  # fmt: skip
    _table(
        "audits", _key("id", NUMBER),
        *_needed(model=TEXT, period_start=MOMENT, period_end=MOMENT, passed=sa.Boolean(), findings=JSON, numbers=JSON,
                 report=TEXT, made_at=MOMENT),
        _refer("audits", "model", "models.model"),
    )  # fmt: skip


def _table(name: str, *parts: Any) -> sa.Table:
    keys = [part.name for part in parts if isinstance(part, sa.Column) and part.info.get("key")]
    return op.create_table(name, *parts, sa.PrimaryKeyConstraint(*keys, name=op.f(f"pk_{name}")))


def _key(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, info={"key": True}, **options)


def _needed(**columns: Any) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name, kind in columns.items()]


def _free(**columns: Any) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=True) for name, kind in columns.items()]


def _refer(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_{table}_{column}"))


def _refer_version(table: str, column: str) -> sa.ForeignKeyConstraint:
    target = ["versions.model", "versions.version"]
    return sa.ForeignKeyConstraint(["model", column], target, name=op.f(f"fk_{table}_model_{column}"))


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{columns[0]}"))


def _only_one(name: str, table: str, columns: Sequence[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=True, sqlite_where=condition, postgresql_where=condition)
