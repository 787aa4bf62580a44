"""Undoes what loading a trainer leaves in this process: the project's folder on the import path, and its modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def undone() -> Iterator[None]:
    """Put the import path back afterwards, and forget the modules that came from folders which it did not have.

    A command runs for one project and ends; tests run for one after another, and many have a module `trainers`.
    """
    before = list(sys.path)
    try:
        yield
    finally:
        folders = [Path(entry).resolve() for entry in sys.path if entry not in before]
        sys.path[:] = before
        if folders:
            _forget(folders)


def _forget(folders: list[Path]) -> None:
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and any(Path(file).resolve().is_relative_to(folder) for folder in folders):
            del sys.modules[name]
