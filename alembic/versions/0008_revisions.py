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
        sa.ForeignKeyConstraint(["model"], ["models.model"], name=op.f("fk_comparisons_model")),
        sa.ForeignKeyConstraint(["run_id"], ["retrain_runs.id"], name=op.f("fk_comparisons_run_id")),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotions.id"], name=op.f("fk_comparisons_promotion_id")),
        sa.ForeignKeyConstraint(
            ["model", "candidate"],
            ["versions.model", "versions.version"],
            name=op.f("fk_comparisons_model_candidate"),
        ),
        sa.UniqueConstraint("kind", "run_id", "promotion_id", "candidate", "look", name="uq_comparisons_look"),
    )
    _serve(revision)


def downgrade() -> None:
    op.drop_table("comparisons")
    _as_before()
    with op.batch_alter_table("decisions") as batch:
        batch.drop_constraint("uq_decisions_revision", type_="unique")
        batch.create_unique_constraint(op.f("uq_decisions_incident_id"), ["incident_id"])
        batch.drop_column("revision")
    _serve(down_revision)


def _as_before() -> None:
    """Turn what older programs cannot read into what they can: no row is deleted, since others refer to it.

    Later revisions of a decision become decisions by hand, held runs are rejected, and new actions are none.
    """
    revision_of, incident, action = (sa.column(n) for n in ("revision", "incident_id", "action"))
    decisions = sa.table("decisions", revision_of, incident, action)
    op.execute(decisions.update().where(revision_of > 1).values(incident_id=None))
    op.execute(decisions.update().where(action.in_(["suggest", "roll_back"])).values(action="nothing"))
    state, started, finished = (sa.column(n) for n in ("state", "started_at", "finished_at"))
    runs = sa.table("retrain_runs", state, started, finished)
    op.execute(runs.update().where(state == "held").values(state="rejected", finished_at=started))


def _serve(oldest: str) -> None:
    op.execute(sa.table("compatibility", sa.column("oldest")).update().values(oldest=oldest))
