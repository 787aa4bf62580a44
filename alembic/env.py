"""Run by Alembic for every command: migrates on the connection that `registry/database/migrate.py` hands over."""

from typing import Any, Literal

from alembic import context

settings = context.config.attributes


def render_item(kind: str, item: Any, _: object) -> str | Literal[False]:
    """Write our own column types as the plain ones they are: a migration must not change when the program does."""
    return "sa.DateTime(timezone=True)" if kind == "type" and type(item).__name__ == "UtcDateTime" else False


context.configure(
    connection=settings["connection"],
    target_metadata=settings["metadata"],
    version_table=settings["version_table"],
    render_as_batch=True,  # SQLite cannot alter a table in place: a batch rebuilds it
    compare_server_default=True,
    render_item=render_item,
)

with context.begin_transaction():
    context.run_migrations()
