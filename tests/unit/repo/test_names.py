"""Naming rule: words that fit any value (told, found, known) are for short local scopes."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("features", "monitors", "registry", "retrain_flows", "leeway", "dashboards", "alerts", "serving")
FILLERS = frozenset(
    {"told", "said", "given", "held", "kept", "asked", "found", "known", "some", "every", "seen", "tell"}
)
SPAN = 6
"""Lines from the first to the last use of a local name up to which such a word may be one."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def fillers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of each definition, parameter, field or local that a filler names for too long."""
    for node in ast.walk(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and node.name.strip("_").lower() in FILLERS:
            yield node.lineno, node.name
        if isinstance(node, ast.ClassDef):
            yield from _fields(node)
        if isinstance(node, FUNCTIONS):
            yield from _locals(node)
    yield from ((line, name) for line, name in _targets(tree.body) if name.strip("_").lower() in FILLERS)


def _fields(node: ast.ClassDef) -> Iterator[tuple[int, str]]:
    """Yield the fields of a class, those that ``__init__`` sets included, that a filler names."""
    named = [(line, name) for line, name in _targets(node.body)]
    named += [
        (a.lineno, a.attr)
        for a in ast.walk(node)
        if isinstance(a, ast.Attribute)
        and isinstance(a.ctx, ast.Store)
        and isinstance(a.value, ast.Name)
        and a.value.id == "self"
    ]
    yield from ((line, name) for line, name in named if name.strip("_") in FILLERS)


def _locals(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[int, str]]:
    """Yield the parameters and local names of a function that a filler names over more than `SPAN` lines."""
    lines: dict[str, list[int]] = {}
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and child.id in FILLERS:
            lines.setdefault(child.id, []).append(child.lineno)
        elif isinstance(child, ast.arg) and child.arg in FILLERS:
            lines.setdefault(child.arg, []).append(child.lineno)
    yield from ((min(at), name) for name, at in lines.items() if max(at) - min(at) > SPAN)


def _targets(body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    for statement in body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        yield from ((t.lineno, t.id) for t in targets if isinstance(t, ast.Name))


def sources(room: str) -> list[Path]:
    """Return the modules of a room."""
    listed = subprocess.run(["git", "ls-files", f"{room}/*.py"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


@pytest.mark.parametrize("room", ROOMS)
def test_fillers_name_nothing_that_lasts(room: str) -> None:
    """Name the value: `findings`, `matched_rows`, `reference_windows`; not what somebody did with it."""
    loose = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sources(room)
        for line, name in sorted(set(fillers(ast.parse(path.read_text()))))
    ]

    assert [] == loose
