"""The database schema of a release to come: every table has a column more, and there is one table more."""

from __future__ import annotations

import shutil
from pathlib import Path

from registry.database import migrate

REVISION = "9999"
_ADDITIONS = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{revision}", "{newest}"


def upgrade():
    for table in sa.inspect(op.get_bind()).get_table_names():
        if table != "{versions}":
            op.add_column(table, sa.Column("more", sa.String(), nullable=True))
    op.create_table("more", sa.Column("id", sa.Integer(), primary_key=True))
"""


def migrations(folder: Path) -> Path:
    """Make today's migrations and that one in a folder, and return where they are."""
    made = folder / "alembic"
    shutil.copytree(migrate.folder(), made, ignore=shutil.ignore_patterns("__pycache__"))
    added = _ADDITIONS.format(revision=REVISION, newest=migrate.head(), versions=migrate.VERSION_TABLE)
    (made / "versions" / f"{REVISION}_more.py").write_text(added)
    return made
