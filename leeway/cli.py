"""The `leeway` command: global options, lazily imported commands, and errors as one line instead of a traceback."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from features.errors import LeewayError, ProjectError
from features.window import UTC
from leeway import crash_report
from leeway.project.load import FILE_NAME
from leeway.terminal import exit_codes, show
from leeway.terminal.lazy_commands import LazyGroup

_MODULES = {
    "project": ("init", "check", "schema"),
    "monitor": ("baseline", "monitor", "ingest"),
    "job": ("job",),
    "replay": ("replay",),
    "backtest": ("backtest",),
    "status": ("status", "history"),
    "incidents": ("incidents",),
    "why": ("why",),
    "retrain": ("retrain", "react", "promote", "refuse", "rollback", "audit", "flows"),
    "score": ("score",),
    "predict": ("predict",),
    "nearline": ("nearline",),
    "serve": ("serve",),
    "features": ("features",),
    "samples": ("samples",),
    "learner": ("learner",),
    "compat": ("compat",),
    "alerts": ("alerts",),
    "dashboard": ("dashboard",),
    "db": ("db",),
    "stack": ("up", "down", "logs", "doctor"),
    "topics": ("produce", "tail"),
}


class Commands(LazyGroup):
    """The commands of `leeway`."""

    modules: ClassVar = {name: f"leeway.commands.{module}" for module, names in _MODULES.items() for name in names}


PROJECT_FILE: ContextVar[Path] = ContextVar("project_file", default=Path(FILE_NAME))
"""The value of `--project`, for crash reports."""

app = typer.Typer(
    name="leeway",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"Exit codes:\n\n{exit_codes.listed()}",
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
    """Monitor models in production for drift, and retrain them where drift calls for it."""
    ctx.obj = project_file
    PROJECT_FILE.set(project_file)


def main() -> None:
    """Run the command line; every error is a line on stderr and one of `leeway.terminal.exit_codes`.

    LEEWAY_DEBUG=1 shows where it was raised.
    """
    try:
        _check_arguments(sys.argv[1:])
        app()
    except Exception as error:
        if os.environ.get("LEEWAY_DEBUG") == "1":
            raise
        sys.exit(_print_error(error))


def _check_arguments(arguments: Sequence[str]) -> None:
    """Raise ProjectError for an argument that is not UTF-8: names are stored as UTF-8."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = argument.encode("utf-8", "backslashreplace").decode()
            msg = f"the argument {shown!r} is not UTF-8 text"
            raise ProjectError(msg, hint="set the terminal's encoding to UTF-8") from None


def _print_error(error: Exception) -> exit_codes.ExitCode:
    """Print *error* on stderr, and return the exit code."""
    if isinstance(error, LeewayError):
        show.error(error)
        return exit_codes.code_of(error)
    show.error(crash_report.report(error, PROJECT_FILE.get(), datetime.now(UTC)))
    return exit_codes.ExitCode.DEFECT
