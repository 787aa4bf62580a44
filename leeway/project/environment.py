"""Addresses that a project file leaves to the environment: `env:NAME`, asked of the shell first, then of the stack.

`leeway up` writes the addresses of what it has started into the state folder, and `leeway down` takes them away. So any
command in the project's folder finds the running stack, and a shell's own variables have the last word.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from features.errors import ProjectError

PREFIX = "env:"
ENV_FILE = "env"
PROJECT = "LEEWAY_PROJECT"
"""The variable that names the project file, for commands and for the processes that they start."""


def variable(value: str | None) -> str | None:
    """Return the name of the variable that *value* refers to, or None if it is an address by itself.

    >>> variable("env:LEEWAY_KAFKA"), variable("127.0.0.1:9092"), variable(None)
    ('LEEWAY_KAFKA', None, None)
    """
    return value.removeprefix(PREFIX) if value and value.startswith(PREFIX) else None


def stack_folder(state: Path) -> Path:
    """Return the folder of a project's stack in its state folder."""
    return state / "stack"


def env_file(state: Path) -> Path:
    """Return the file in which a running stack says where it is: lines like ``LEEWAY_KAFKA=127.0.0.1:9092``."""
    return stack_folder(state) / ENV_FILE


def of_stack(state: Path) -> Mapping[str, str]:
    """Return what a running stack says; nothing where none runs."""
    try:
        lines = env_file(state).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def resolve(value: str, state: Path, *, what: str, example: str) -> str:
    """Return the address that *value* stands for: itself, or what its variable holds.

    *what* names it in the error, as in "the database URL"; *example* is what a variable could be set to. Raises
    ProjectError if the variable is set nowhere.
    """
    name = variable(value)
    if name is None:
        return value
    if found := os.environ.get(name) or of_stack(state).get(name):
        return found
    msg = f"the project file takes {what} from the environment variable {name}, which is not set"
    raise ProjectError(msg, hint=f"`leeway up` starts one and sets it, or export {name}={example}")
