"""Removes a loaded trainer from this process: the project's folder on the import path, and its modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


@contextmanager
def undone() -> Iterator[None]:
    """Put the import path back afterwards, and forget the modules imported meanwhile that it no longer leads to.

    A command runs for one project and ends; tests run for one after another, and many have a module `trainers`.
    """
    path, modules = list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        sys.path[:] = path
        gone = {n for n in sys.modules.keys() - modules if "." not in n and not _on_path(sys.modules[n])}
        for name in [n for n in sys.modules if gone and n.partition(".")[0] in gone]:
            del sys.modules[name]


def _on_path(module: ModuleType) -> bool:
    """Say whether *module*, one of the top level, is found by way of the import path, or is in no file."""
    file = getattr(module, "__file__", None)
    return not file or any(str(folder) in sys.path for folder in Path(file).parents[:2])
