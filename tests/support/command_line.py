"""The command line in tests: in a process of its own as at a prompt, or in this one; and the smallest project file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from leeway import cli

SMALL_PROJECT = """\
project: flights
models:
  late:
    task: binary
    events: {predictions: {path: events}}
    features: {temp: numeric}
"""
"""A project file with one model `late`, whose events are not there yet."""


def leeway(folder: Path, *arguments: str, code: int = 0) -> str:
    """Return what `leeway` prints, run in *folder* as a process of its own; it must end with *code*."""
    done = subprocess.run(
        [sys.executable, "-m", "leeway", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout


def invoke(project: Path, *words: str, code: int | None = 0, width: int = 200, **environment: str) -> Result:
    """Run `leeway --project PROJECT WORDS` in this process; ended by *code* (None: any)."""
    done = CliRunner().invoke(
        cli.app, ["-p", str(project), *words], catch_exceptions=False, env={"COLUMNS": str(width), **environment}
    )
    assert code in (None, done.exit_code), done.output
    return done


def printed(project: Path, *words: str, code: int | None = 0, width: int = 200) -> str:
    """Return what a command prints on stdout."""
    return invoke(project, *words, code=code, width=width).stdout


def document(project: Path, *words: str, code: int | None = 0) -> Any:
    """Return what a command prints as JSON."""
    return json.loads(printed(project, *words, "--json", code=code))
