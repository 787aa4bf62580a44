"""The command line, as somebody at a prompt has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def leeway(folder: Path, *arguments: str, code: int = 0) -> str:
    """Return what `leeway` prints, run in *folder*; it must end with *code*."""
    done = subprocess.run(
        [sys.executable, "-m", "leeway", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert code == done.returncode, done.stdout + done.stderr
    return done.stdout
