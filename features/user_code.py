"""The user's own modules: those beside the project file, which trainers, models and transforms are imported from."""

from __future__ import annotations

import hashlib
import importlib
import sys
import traceback
from functools import cache
from pathlib import Path
from types import ModuleType

_folders: set[Path] = set()
"""Folders of project files whose modules can be imported."""


def make_importable(project_dir: Path) -> None:
    """Append the project's folder to the import path, where it shadows no other module.

    It stays there: a model's own modules are needed again whenever the model is loaded or used.
    """
    if str(project_dir) not in sys.path:
        sys.path.append(str(project_dir))
    _folders.add(project_dir.resolve())
    importlib.invalidate_caches()


@cache
def digest(project_dir: Path, names: tuple[str, ...]) -> str:
    """Return the digest of the modules beside the project file, and of the packages there that *names* are in.

    What the project's functions have computed is known by it: they may call others that are beside them. In a process
    it stays, as its imported modules do. Of a module that is installed elsewhere nothing is in it.
    """
    packages = (project_dir / name.partition(".")[0] for name in names)
    files = {*project_dir.glob("*.py"), *(path for package in packages for path in package.rglob("*.py"))}
    made = hashlib.sha256()
    for path in sorted(files):
        made.update(f"{path.relative_to(project_dir)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return made.hexdigest()


def raised_at(error: BaseException) -> str:
    """Return the innermost line of the user's modules in the traceback of *error*; "" if none of them is in it."""
    installed = Path(sys.prefix).resolve()
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if not path.is_absolute():  # of a package compiled by Cython, or no file at all
            continue
        path = path.resolve()
        if not path.is_relative_to(installed) and any(path.is_relative_to(folder) for folder in _folders):
            return f"{path.name}, line {frame.lineno}, in {frame.name}: {frame.line}"
    return ""


def shadowed(module: ModuleType, name: str, project_dir: Path) -> str:
    """Return from where a module was imported although the project's folder has one of its name; "" if it was not.

    Parameters
    ----------
    module, name
        The imported module, and the name that it was imported by.
    project_dir
        The folder of the project file.
    """
    mine = (project_dir.resolve() / name.replace(".", "/")).with_suffix(".py")
    if mine.exists() and Path(module.__file__ or "").resolve() != mine:
        return f"from {module.__file__}, not from {mine}"
    return ""
