"""Decisions about an incident are revised, and two versions are compared before and after a promotion.

Programs before this revision take an incident's first decision for its only one.

Revision 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    with op.batch_alter_table("decisions") as batch:
        batch.add_column(sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
        batch.drop_constraint(op.f("uq_decisions_incident_id"), type_="unique")
        batch.create_unique_constraint("uq_decisions_revision", ["incident_id", "revision"])
    with op.batch_alter_table("decisions") as batch:
        batch.alter_column("revision", server_default=None)
    op.create_table(
        "comparisons",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("promotion_id", sa.Integer(), nullable=True),
        sa.Column("candidate", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("look", sa.Integer(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("slices", JSON, nullable=False),
        sa.Column("history", JSON, nullable=False),
        sa.Column("numbers", JSON, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparisons")),
        sa.ForeignKeyConstraint(["model"], ["models.model"], name=op.f("fk_comparisons_model_models")),
        sa.ForeignKeyConstraint(["run_id"], ["retrain_runs.id"], name=op.f("fk_comparisons_run_id_retrain_runs")),
        sa.ForeignKeyConstraint(
            ["promotion_id"], ["promotions.id"], name=op.f("fk_comparisons_promotion_id_promotions")
        ),
        sa.ForeignKeyConstraint(
            ["model", "candidate"],
            ["versions.model", "versions.version"],
            name=op.f("fk_comparisons_model_candidate_versions"),
        ),
        sa.UniqueConstraint("kind", "run_id", "promotion_id", "candidate", "look", name="uq_comparisons_look"),
    )
    _serve(revision)


def downgrade() -> None:
    op.drop_table("comparisons")
    decisions = sa.table("decisions", sa.column("revision", sa.Integer()))
    op.execute(decisions.delete().where(decisions.c.revision > 1))
    with op.batch_alter_table("decisions") as batch:
        batch.drop_constraint("uq_decisions_revision", type_="unique")
        batch.create_unique_constraint(op.f("uq_decisions_incident_id"), ["incident_id"])
        batch.drop_column("revision")
    _serve(down_revision)


def _serve(oldest: str) -> None:
    op.execute(sa.table("compatibility", sa.column("oldest")).update().values(oldest=oldest))
