"""`leeway db`: show and migrate the schema of the registry's database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from leeway.commands.options import AsJson
from leeway.project.load import Project
from leeway.terminal import show
from leeway.terminal.exit_codes import ExitCode
from registry.connection import Registry
from registry.database import migrate


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    db = typer.Typer(no_args_is_help=True)
    db.command()(upgrade)
    db.command()(version)
    app.add_typer(db, name="db", help="Show and migrate the registry's database schema.")


def upgrade(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Migrate the registry's schema to this program's; safe to repeat. A newer compatible one stays as it is."""
    with _unopened(ctx.obj) as registry:
        before, served = registry.schema_version(), registry.oldest_served()
        if migrate.is_newer(before):
            registry.need_schema()
        else:
            registry.migrate()
        after, serves = registry.schema_version(), registry.oldest_served()
    if as_json:
        show.as_json({"ok": True, "before": before, "at": after, "serves_from": serves})
        return
    if before is None:
        show.note(f"Created the registry at schema {show.text(after)}.")
    elif before == after:
        show.note(f"The registry is at schema {show.text(after)} already.")
    else:
        show.note(f"Migrated the registry from schema {show.text(before)} to {show.text(after)}.")
    if before and served != serves:
        show.note(f"Programs made for a schema before {show.text(serves)} cannot use it any more: stop running ones.")


def version(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show the registry's schema version and this program's; exit code 1 if the program cannot use the registry."""
    with _unopened(ctx.obj) as registry:
        at, serves = registry.schema_version(), registry.serves()
    if as_json:
        show.as_json({"ok": serves, "registry": at, "program": migrate.head()})
    else:
        show.note(f"registry: {show.text(at or 'not created yet')}\nprogram:  {show.text(migrate.head())}")
    if not serves and not as_json:
        show.note(migrate.INSTALL if migrate.is_newer(at) else "[bold]leeway db upgrade[/] migrates it")
    if not serves:
        raise typer.Exit(ExitCode.FINDINGS)


@contextmanager
def _unopened(path: Path) -> Iterator[Registry]:
    """Yield the registry without checking its schema revision."""
    project = Project.load(path)
    with Registry(project.database_url(), project.state / "artifacts", project.audit_secret()) as registry:
        yield registry
