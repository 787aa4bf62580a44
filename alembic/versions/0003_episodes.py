"""Episodes are counted again from their windows: what each report tells of every signal, and how bad an incident is.

Revision 0003, after 0002.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.Integer()
CHUNK = 200
COUNTED = ("model", "version", "segment", "stage", "window_start", "window_end", "baseline", "rows", "counts", "newest")

ADDED = {
    "window_reports": [("evidence", sa.String(64)), ("signals", JSON)],
    "incidents": [("severity", sa.String()), ("since", MOMENT), ("corrections", NUMBER)],
}
SEVERITY = {"quality": "critical", "performance": "critical", "label": "warning", "prediction": "warning",
            "estimate": "warning"}  # fmt: skip


def upgrade() -> None:
    for table, columns in ADDED.items():
        with op.batch_alter_table(table) as batch:
            for name, kind in columns:
                batch.add_column(sa.Column(name, kind, nullable=True))
    _fill_reports()
    _fill_incidents()
    for table, columns in ADDED.items():
        with op.batch_alter_table(table) as batch:
            for name, kind in columns:
                batch.alter_column(name, existing_type=kind, nullable=False)


def downgrade() -> None:
    for table, columns in ADDED.items():
        with op.batch_alter_table(table) as batch:
            for name, _ in columns:
                batch.drop_column(name)


def _fill_reports() -> None:
    table = sa.table("window_reports", sa.column("id", NUMBER), sa.column("report", JSON), *_columns("window_reports"))
    for number, report in _reports(table):
        values = {"evidence": _evidence(report), "signals": _signals(report)}
        op.get_bind().execute(table.update().where(table.c.id == number).values(values))


def _reports(table: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    last = 0
    while True:
        chunk = sa.select(table.c.id, table.c.report).where(table.c.id > last).order_by(table.c.id).limit(CHUNK)
        rows = op.get_bind().execute(chunk).all()
        yield from ((row.id, row.report) for row in rows)
        if not rows:
            return
        last = rows[-1].id


def _evidence(report: dict[str, Any]) -> str:
    """Return the sha256 of what was counted, not of what was made of it; older reports lack `newest`."""
    counted = {"newest": {}, **{key: report[key] for key in COUNTED if key in report}}
    text = json.dumps(counted, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _signals(report: dict[str, Any]) -> dict[str, str]:
    """Return each signal's verdict; a report that judged anything and names no fault tells of steady quality."""
    told: dict[str, set[str]] = {}
    for finding in report["findings"]:
        told.setdefault(finding["signal"], set()).add(finding["verdict"])
    order = ("drift", "steady", "not_enough_evidence")
    found = {signal: next(v for v in order if v in verdicts) for signal, verdicts in told.items()}
    return {"quality": "steady", **found} if {"drift", "steady"} & set(found.values()) else found


def _fill_incidents() -> None:
    columns = [sa.column("signal"), sa.column("opened_at", MOMENT), *_columns("incidents")]
    table = sa.table("incidents", *columns)
    severity = sa.case(SEVERITY, value=table.c.signal, else_="info")
    op.execute(table.update().values(severity=severity, since=table.c.opened_at, corrections=0))


def _columns(table: str) -> list[sa.ColumnClause[Any]]:
    return [sa.column(name, kind) for name, kind in ADDED[table]]
