"""Lock files: what only one process may do at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from features.errors import LeewayError


@contextmanager
def exclusive(path: Path, busy: LeewayError, *, seconds: float = 0.0) -> Iterator[None]:
    """Hold a lock file until the block ends; the system releases it when the process ends, also when it is killed.

    Parameters
    ----------
    path
        The file; it is made, and its folder.
    busy
        What is raised where another process holds it.
    seconds
        How long to wait for that one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = filelock.FileLock(path, timeout=seconds).acquire()
    except filelock.Timeout as error:
        raise busy from error
    with lock:
        yield
