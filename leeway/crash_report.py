"""Crash reports: the traceback of an unexpected exception is written to a file, and the user gets one line."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from contextlib import suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from features.errors import LeewayError
from leeway.project.load import Project

MOST_FILES = 20
"""Most reports kept in the folder; older ones are removed."""


def report(error: BaseException, project_file: Path, now: datetime) -> LeewayError:
    """Write the traceback of *error* to ``errors/`` in the project's state folder; return the error to print.

    Where there is no project, or its folder cannot be written to, the file is a temporary one. Only its owner can read
    it: a traceback may contain data of a record.
    """
    kind, message = type(error).__name__, " ".join(str(error).split())[:200]
    summary = f"unexpected error: {kind}{': ' + message if message else ''}"
    for place in (*_state(project_file), None):
        with suppress(OSError):
            path = _written(place, _text(error, now), now)
            return LeewayError(summary, hint=f"{path} has the traceback; please report it")
    return LeewayError(summary, hint="LEEWAY_DEBUG=1 shows the traceback")


def _state(project_file: Path) -> list[Path]:
    try:
        return [Project.load(project_file).state / "errors"]
    except Exception:  # a broken project may be the cause of the error
        return []


def _text(error: BaseException, now: datetime) -> str:
    head = f"{now.isoformat()} leeway {version('leeway')}, Python {platform.python_version()}, {platform.platform()}"
    return f"{head}\n{' '.join(sys.argv[1:])}\n\n{''.join(traceback.format_exception(error))}"


def _written(folder: Path | None, text: str, now: datetime) -> Path:
    """Write a report that its owner alone can read, drop the oldest beyond the limit, and return its path."""
    if folder is None:
        handle, name = tempfile.mkstemp(prefix="leeway-", suffix=".log")
        path = Path(name)
        os.close(handle)
    else:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{now:%Y%m%dT%H%M%S.%f}Z.log"
        path.touch(mode=0o600)
        for old in sorted(folder.glob("*.log"))[:-MOST_FILES]:
            old.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    return path
