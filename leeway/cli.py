"""The `leeway` command: global options, the list of commands, and errors in one line instead of a traceback."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from features.errors import LeewayError
from leeway import show
from leeway.lazy import LazyGroup
from leeway.project import FILE_NAME

_MODULES = {
    "project": ("init", "check", "schema"),
    "monitor": ("baseline", "monitor", "ingest"),
    "job": ("job",),
    "replay": ("replay",),
    "status": ("status", "incidents", "history"),
    "why": ("why",),
    "retrain": ("retrain", "react", "promote", "rollback", "audit", "flows"),
    "score": ("score",),
    "compat": ("compat",),
    "alerts": ("alerts",),
    "dashboard": ("dashboard",),
    "db": ("db",),
    "stack": ("up", "down", "logs", "doctor"),
    "topics": ("produce", "tail"),
}


class Commands(LazyGroup):
    """All that `leeway` can do."""

    modules: ClassVar = {name: f"leeway.commands.{module}" for module, names in _MODULES.items() for name in names}


app = typer.Typer(
    name="leeway",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        show.note(f"leeway {show.text(importlib.metadata.version('leeway'))}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    project_file: Annotated[
        Path, typer.Option("--project", "-p", envvar="LEEWAY_PROJECT", help="The project file, or its folder.")
    ] = Path(FILE_NAME),
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Watch models in production, and retrain them when the world has left their baseline."""
    ctx.obj = project_file


def main() -> None:
    """Run the command line. A refusal is a line on stderr and exit code 2; LEEWAY_DEBUG=1 shows where it was raised."""
    try:
        app()
    except LeewayError as error:
        if os.environ.get("LEEWAY_DEBUG") == "1":
            raise
        show.error(error)
        sys.exit(2)
