"""The loop of commands that stand beside a streaming job until they are stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from features.window import UTC
from leeway.commands.options import until_stopped
from leeway.streaming import reconnect
from leeway.terminal import show

_LOOK_SECONDS = 0.5
"""How often a job is looked at."""


def follow(
    opening: Callable[[], AbstractContextManager[Callable[[], int]]],
    text: Callable[[], str],
    note: Callable[[str], None],
    ended: Callable[[], bool] = lambda: False,
) -> None:
    """Look at a job again and again, until Ctrl-C, SIGTERM or its end.

    Once it runs, servers that are away are waited for.

    Parameters
    ----------
    opening
        Runs the job; yields what looks at it once.
    text
        Returns how far it is, which is printed now and then.
    note
        Prints what happens.
    ended
        Whether it is to end.
    """
    lines = show.ProgressLines()
    with until_stopped(), reconnect.Reconnecting(opening, note) as look:
        try:
            while not ended():
                look()
                lines.print(text())
                time.sleep(_LOOK_SECONDS)
        except KeyboardInterrupt:
            pass


def noter(name: str) -> Callable[[str], None]:
    """Return what prints a line about *name* with the time of day, on stderr."""
    return lambda text: show.note_on_stderr(show.text(f"{datetime.now(UTC):%H:%M:%S} {name}: {text}"))
