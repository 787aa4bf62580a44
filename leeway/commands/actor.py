"""The actor of a manual operation: the name that the audit log records."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container need not know the name of its user
        return "user"


USER = _user()
Actor = Annotated[str, typer.Option(envvar="LEEWAY_ACTOR", help="Your name, for the audit log.")]
