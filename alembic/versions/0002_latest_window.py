"""Mark each window's newest revision, so that pages read a month of windows from an index.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("window_reports") as batch:
        batch.add_column(sa.Column("latest", sa.Boolean(), nullable=False, server_default=sa.false()))
    _mark_newest_revisions()
    where = sa.text("latest")
    op.create_index(
        "ix_window_reports_latest", "window_reports", ["model", "stage", "window_end"],
        sqlite_where=where, postgresql_where=where,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_window_reports_latest", table_name="window_reports")
    with op.batch_alter_table("window_reports") as batch:
        batch.drop_column("latest")


def _mark_newest_revisions() -> None:
    key = ("model", "version", "segment", "stage", "window_start", "window_end")
    table = sa.table("window_reports", *(sa.column(name) for name in (*key, "revision", "latest")))
    later = table.alias("later")
    is_later = [later.c[name] == table.c[name] for name in key] + [later.c.revision > table.c.revision]
    op.execute(table.update().where(~sa.exists().where(*is_later)).values(latest=sa.true()))
