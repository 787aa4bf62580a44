"""`leeway audit verify`, `export` and `accept`: check the audit log, with its database or from an export."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from features.errors import ProjectError
from features.window import UTC
from leeway import context
from leeway.commands.actor import USER, Actor
from leeway.commands.options import Because
from leeway.terminal import show
from registry import audit_export, operations
from registry.audit_log import verification
from registry.audit_log.evidence import Evidence
from registry.audit_log.heads import Signer

_FILE = typer.Argument(help="An export; by default the project's registry is checked.", show_default=False)
_RECEIVED = typer.Option(
    help="A file of alert bodies that a receiver has stored, one per line, to compare with the log."
)
_KEY = typer.Option("--key-file", help="For an export: the file with the key (`audit-key` in the state folder).")
_KEY_ENV = typer.Option("--key-env", help="For an export: the environment variable with the key.")


def group(audit: Callable[..., None]) -> typer.Typer:
    """Return the group of commands; *audit* is what `leeway audit` without a subcommand does."""
    app = typer.Typer(invoke_without_command=True, rich_markup_mode="markdown")
    app.callback()(audit)
    for command in (verify, export, accept):
        app.command()(command)
    return app


def verify(
    ctx: typer.Context,
    file: Annotated[Path | None, _FILE] = None,
    received: Annotated[Path | None, _RECEIVED] = None,
    key_file: Annotated[Path | None, _KEY] = None,
    key_env: Annotated[str | None, _KEY_ENV] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the audit log's hash chain, every row against the log, and the log against its signed heads.

    Changes nothing. Exit code 1 with findings. With FILE, neither project nor database is needed; signatures are then
    checked only with --key-file or --key-env.
    """
    evidence = audit_export.read(file, _signer(key_file, key_env)) if file else _of_project(ctx.obj)
    if received is not None:
        evidence = replace(evidence, anchors=[*evidence.anchors, *audit_export.anchors(received)])
    findings, notes = verification.verify(evidence), verification.notes(evidence)
    numbers = {"log lines": len(evidence.log), "rows": sum(map(len, evidence.rows.values())),
               "signed heads": len(evidence.heads), "messages": len(evidence.anchors)}  # fmt: skip
    if json:
        show.as_json({"findings": findings, "notes": notes, "numbers": numbers})
    else:
        _print(findings, notes, numbers)
    if findings:
        raise typer.Exit(1)


def export(ctx: typer.Context, file: Annotated[Path, typer.Argument(help="The file to write.")]) -> None:
    """Write the audit log, the digests of all rows and the signed heads to FILE, for `leeway audit verify FILE`."""
    lines = audit_export.write(_of_project(ctx.obj), file, now=datetime.now(UTC))
    show.note(f"{show.text(file)}: {lines:,} lines. [bold]leeway audit verify {show.text(file)}[/] checks it.")


def accept(
    ctx: typer.Context,
    because: Because,
    actor: Actor = USER,
) -> None:
    """Accept all rows as they are, and begin a new file of signed heads.

    For use after a restored backup or a manual repair. The findings so far are recorded in the log. A line of the log
    that was altered remains a finding.
    """
    with context.open(ctx.obj) as opened:
        findings = operations.accept(opened.registry, because=because, actor=actor, now=datetime.now(UTC))
    for finding in findings:
        show.note(f"[yellow]accepted:[/] {show.text(finding)}")
    show.note(f"Accepted all rows as they are, with {len(findings)} findings; the audit log records them.")


def _of_project(project: Path) -> Evidence:
    with context.open(project) as opened:
        return audit_export.collect(opened.registry)


def _signer(key_file: Path | None, key_env: str | None) -> Signer | None:
    """Return the key that signed the log, from a file or from a variable; None where neither is named."""
    if key_env is not None:
        if not os.environ.get(key_env):
            msg = f"the environment variable {key_env} is not set"
            raise ProjectError(msg, hint="it holds the key that signed the log")
        return Signer.of(os.environ[key_env].encode())
    if key_file is None:
        return None
    try:
        return Signer.of(key_file.read_bytes().strip())
    except OSError as error:
        msg = f"the key file cannot be read: {error}"
        raise ProjectError(msg, hint="name the file `audit-key` of the project's state folder") from error


def _print(findings: list[str], notes: list[str], numbers: dict[str, Any]) -> None:
    show.table("Audit log", ("checked", "number"), numbers.items())
    for note in notes:
        show.note(f"note: {show.text(note)}")
    for finding in findings:
        show.note(f"[red]finding:[/] {show.text(finding)}")
    if not findings:
        show.note("No finding: every row agrees with the log, and the log is complete and unaltered.")
