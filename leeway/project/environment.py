"""Resolves addresses of the form `env:NAME`: from the environment first, then from the running local stack.

`leeway up` writes the addresses of the engines that it has started to the state folder, and `leeway down` removes them.
So any command in the project's folder finds the running stack, and environment variables take precedence.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from features.errors import ProjectError

PREFIX = "env:"
SQLITE = "sqlite:///"
"""How the URL of a database in a file begins; its path follows."""
ENV_FILE = "env"
PROJECT = "LEEWAY_PROJECT"
"""The variable that names the project file, for commands and for the processes that they start."""


def variable(value: str | None) -> str | None:
    """Return the name of the variable that *value* refers to, None if it is an address itself.

    >>> variable("env:LEEWAY_KAFKA"), variable("127.0.0.1:9092"), variable(None)
    ('LEEWAY_KAFKA', None, None)
    """
    return value.removeprefix(PREFIX) if value and value.startswith(PREFIX) else None


def sqlite_url(folder: Path, path: str) -> str:
    """Return the URL of a database in *folder*, by its *path* from there as a URL has it.

    SQLAlchemy decodes the path of a URL, and ends it at a question mark.

    >>> sqlite_url(Path("/srv/50%20 off?"), "leeway.db")
    'sqlite:////srv/50%2520 off%3F/leeway.db'
    """
    start = str(folder).replace("%", "%25").replace("?", "%3F")
    return f"{SQLITE}{Path(start) / path}"


def stack_folder(state: Path) -> Path:
    """Return the folder of a project's stack in its state folder."""
    return state / "stack"


def env_file(state: Path) -> Path:
    """Return the file with the addresses of the running stack: lines like ``LEEWAY_KAFKA=127.0.0.1:9092``."""
    return stack_folder(state) / ENV_FILE


def of_stack(state: Path) -> Mapping[str, str]:
    """Return the variables of the running stack; empty where none runs."""
    try:
        lines = env_file(state).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def resolve(value: str, state: Path, *, what: str, example: str) -> str:
    """Return the address that *value* stands for: itself, or the value of its variable.

    Parameters
    ----------
    value
        An address, or ``env:NAME``.
    state
        The project's state folder, for the running stack's variables.
    what, example
        The address's name and an example of its value, for the error.

    Raises
    ------
    ProjectError
        The variable is not set.
    """
    name = variable(value)
    if name is None:
        return value
    if found := os.environ.get(name) or of_stack(state).get(name):
        return found
    msg = f"the project file takes {what} from the environment variable {name}, which is not set"
    raise ProjectError(msg, hint=f"`leeway up` starts one and sets it, or export {name}={example}")
