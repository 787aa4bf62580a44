"""Who does what is done by hand: the name that goes on record."""

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
Actor = Annotated[str, typer.Option(envvar="LEEWAY_ACTOR", help="Who; it is put on record.")]
