"""Runs a library that cannot be installed beside this project, in an environment of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from filelock import FileLock

ROOT = Path(__file__).parents[3]
UV = Path(sys.executable).with_name("uv")


def environment(name: str) -> Path:
    """Return the Python of ``.venv-<name>``, made from ``requirements/<name>.txt`` if it is not there as it should be.

    Raises subprocess.CalledProcessError if something cannot be installed.
    """
    lock, folder = ROOT / "requirements" / f"{name}.txt", ROOT / f".venv-{name}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    with FileLock(f"{folder}.lock"):
        if not (python.exists() and ready.exists() and ready.read_text() == digest):
            _uv("venv", "--clear", "--python", sys.executable, folder)
            _uv("pip", "sync", "--python", python, "--require-hashes", lock)
            ready.write_text(digest)
    return python


def _uv(*words: str | Path) -> None:
    subprocess.run([UV, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def ask(python: Path, script: str, questions: Any) -> Any:
    """Return what *script*, beside this file, answers in that environment: JSON in, JSON out."""
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
    done = subprocess.run(
        [python, Path(__file__).with_name(script)], input=json.dumps(questions), env=environ, check=False,
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)
