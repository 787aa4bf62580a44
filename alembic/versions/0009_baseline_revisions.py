"""A baseline that is too short for the false-alarm guarantee gets a new revision, so a version may have several.

Programs before this revision take a version's baseline for its only one.

Revision 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("baselines") as batch:
        batch.add_column(sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
        batch.add_column(sa.Column("published_at", sa.DateTime(timezone=True), nullable=True))
        batch.drop_constraint(op.f("uq_baselines_model"), type_="unique")
        batch.create_unique_constraint("uq_baselines_revision", ["model", "version", "revision"])
    with op.batch_alter_table("baselines") as batch:
        batch.alter_column("revision", server_default=None)
    _serve(revision)


def downgrade() -> None:
    _as_before()
    with op.batch_alter_table("baselines") as batch:
        batch.drop_constraint("uq_baselines_revision", type_="unique")
        batch.create_unique_constraint(op.f("uq_baselines_model"), ["model", "version"])
        batch.drop_column("revision")
        batch.drop_column("published_at")
    _serve(down_revision)


def _as_before() -> None:
    """Give versions their first baseline back; later ones stay, under a name of their own, since windows refer to them.

    The decisions to renew are none, since older programs do not know them.
    """
    baselines = sa.table("baselines", *map(sa.column, ("revision", "model", "version", "digest")))
    versions = sa.table("versions", *map(sa.column, ("model", "version", "baseline")))
    first = sa.select(baselines.c.digest).where(
        baselines.c.model == versions.c.model, baselines.c.version == versions.c.version, baselines.c.revision == 1
    )
    op.execute(versions.update().where(versions.c.baseline.is_not(None)).values(baseline=first.scalar_subquery()))
    number = sa.cast(baselines.c.revision, sa.String)
    renamed = sa.cast(baselines.c.version, sa.String) + sa.literal(" (revision ") + number + sa.literal(")")
    op.execute(baselines.update().where(baselines.c.revision > 1).values(version=renamed))
    decisions = sa.table("decisions", sa.column("action"))
    op.execute(decisions.update().where(decisions.c.action == "renew_baseline").values(action="nothing"))


def _serve(oldest: str) -> None:
    op.execute(sa.table("compatibility", sa.column("oldest")).update().values(oldest=oldest))
