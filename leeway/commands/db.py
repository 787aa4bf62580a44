"""`leeway db`: the registry's schema, looked at and brought up to date by hand."""

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
    app.add_typer(db, name="db", help="Look after the registry's database.")


def upgrade(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Bring the registry's schema up to this program's; safe to run again. A newer one that serves is left as it is."""
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
    done = f"The registry is at {after}." if before == after else f"The registry went from {before} to {after}."
    show.note(show.text(done))
    if before and served != serves:
        show.note(f"Programs made for a schema before {show.text(serves)} cannot use it any more: stop those that run.")


def version(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show the schema the registry has and the one this program was made for; exit code 1 if it cannot use it."""
    with _unopened(ctx.obj) as registry:
        at, serves = registry.schema_version(), registry.serves()
    if as_json:
        show.as_json({"ok": serves, "registry": at, "program": migrate.head()})
    else:
        show.note(f"registry: {show.text(at or 'not made yet')}\nprogram:  {show.text(migrate.head())}")
    if not serves and not as_json:
        show.note(migrate.INSTALL if migrate.is_newer(at) else "[bold]leeway db upgrade[/] brings it up to date")
    if not serves:
        raise typer.Exit(ExitCode.FINDINGS)


@contextmanager
def _unopened(path: Path) -> Iterator[Registry]:
    """Yield the registry without the demand that its schema be this program's."""
    project = Project.load(path)
    with Registry(project.database_url(), project.state / "artifacts", project.audit_secret()) as registry:
        yield registry
