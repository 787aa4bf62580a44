"""Lock files: what only one process may do at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from features.errors import LeewayError


@contextmanager
def exclusive(path: Path, busy: LeewayError) -> Iterator[None]:
    """Hold a lock file until the block ends; the system releases it when the process ends, also when it is killed.

    Parameters
    ----------
    path
        The file; it is made, and its folder.
    busy
        What is raised at once where another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = filelock.FileLock(path, timeout=0).acquire()
    except filelock.Timeout as error:
        raise busy from error
    with lock:
        yield
