"""Benchmarks, which no test runs: what they import of the project is there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.repo.test_repo import ROOMS, ROOT, tracked

BENCHMARKS = tracked(r"^benchmarks/\w+\.py$")


def is_there(module: str, name: str) -> bool:
    """Return whether *name* is a module in the package *module*, or is defined or imported at the top of it."""
    place = ROOT.joinpath(*module.split("."))
    if place.is_dir() and (place.joinpath(name).is_dir() or place.joinpath(f"{name}.py").is_file()):
        return True
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return file.is_file() and name in set(names(ast.parse(file.read_text()).body))


def names(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements bind."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name))


@pytest.mark.parametrize("path", BENCHMARKS, ids=str)
def test_a_benchmark_imports_what_is_there(path: Path) -> None:
    """A name that was moved elsewhere is missed here, and not when somebody measures again."""
    imported = [
        (node.module, alias.name)
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in (*ROOMS, "benchmarks")
        for alias in node.names
    ]
    assert [] == [pair for pair in imported if not is_there(*pair)]


def test_a_name_that_is_gone_is_missed() -> None:
    """Modules, functions and constants are known; others are not."""
    assert is_there("benchmarks", "serving_world")
    assert is_there("benchmarks.serving_world", "FEATURES")
    assert not is_there("benchmarks.serving", "FEATURES")
