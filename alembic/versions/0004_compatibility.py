"""The schema says which programs may still use it, so that a new release can be rolled out beside the one before.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table(
        "compatibility",
        sa.Column("oldest", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("oldest", name=op.f("pk_compatibility")),
    )
    op.execute(table.insert().values(oldest=revision))


def downgrade() -> None:
    op.drop_table("compatibility")
