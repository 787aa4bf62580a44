"""Every row is digested in the audit log, no two lines follow the same one, and older programs are served no more.

The line that digests the rows as they are found is written by `Registry.migrate`, in the same transaction.

Revision 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("audit_log") as batch:
        batch.create_unique_constraint(op.f("uq_audit_log_previous"), ["previous"])
    _serve(revision)


def downgrade() -> None:
    _serve(down_revision)
    with op.batch_alter_table("audit_log") as batch:
        batch.drop_constraint(op.f("uq_audit_log_previous"), type_="unique")


def _serve(oldest: str) -> None:
    op.execute(sa.table("compatibility", sa.column("oldest")).update().values(oldest=oldest))
