"""Processes that land what is new of a source and kill themselves at one of the files."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from features.events import sent_parts
from features.files import whole_file
from leeway.landed import numbered_files
from leeway.landed.tables import onward

_WRITERS = (numbered_files, onward, sent_parts)
"""The modules that write the files: of what landed, and of what went on into a topic."""
_FORKS = multiprocessing.get_context("forkserver")
_PRELOADED = ["tests.support.table_world", "tests.support.topic_of_facts", "sqlalchemy.dialects.sqlite",
              "sqlalchemy.dialects.postgresql"]  # fmt: skip


def land_and_die(land: Callable[..., Any], arguments: tuple[Any, ...], writes: int, *, before: bool) -> int | None:
    """Call *land* in a process that kills itself at one of its files; return its exit code.

    Parameters
    ----------
    land
        A function of a module.
    arguments
        What it is called with.
    writes
        At which file.
    before
        Whether before the file appears, or after that.
    """
    _FORKS.set_forkserver_preload(_PRELOADED)
    process = _FORKS.Process(target=_run, args=(land, arguments, writes, before))
    process.start()
    process.join(60)
    return process.exitcode


def _run(land: Callable[..., Any], arguments: tuple[Any, ...], writes: int, before: bool) -> None:
    left = [writes]

    def write_or_die(path: Path, data: bytes, **options: Any) -> None:
        left[0] -= 1
        if left[0] == 0 and before:
            os.kill(os.getpid(), signal.SIGKILL)
        whole_file.write_whole(path, data, **options)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    for module in _WRITERS:
        module.write_whole = write_or_die  # type: ignore[attr-defined]
    land(*arguments)
