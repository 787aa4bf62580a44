"""Parses YAML with the line and column of each key, for error messages (ruamel.yaml does the parsing)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One problem of the file: *line* and *column* (from 1), key, and message with the fix."""

    line: int
    column: int
    key: Key
    message: str

    def __str__(self) -> str:
        """Return ``line:column: the.key: message``."""
        path = ".".join(map(str, self.key))
        return f"{self.line}:{self.column}: {path + ': ' if path else ''}{self.message}"


@dataclass(frozen=True)
class Document:
    """A parsed file: its plain *data*, the (line, column) of every key, and its problems as YAML.

    *data* is None where the text is not YAML; then *problems* has the reason.
    """

    data: Any
    places: dict[Key, tuple[int, int]]
    problems: tuple[Problem, ...] = ()

    def problem(self, key: Key, message: str) -> Problem:
        """Return a problem at *key*, placed at the nearest key above it that is in the file."""
        at = key
        while at and at not in self.places:
            at = at[:-1]
        line, column = self.places.get(at, (1, 1))
        return Problem(line, column, key, message)


class _Constructor(SafeConstructor):
    """Leaves dates as text, so that an impossible date is a validation error of its key, with its line."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def parse(text: str) -> Document:
    """Return *text* as a document; never raises, and reports every duplicate key.

    >>> document = parse("a: 1\\nb:\\n  c: 2\\n  c: 3")
    >>> document.places["b", "c"]
    (3, 3)
    >>> print(document.problems[0])
    4:3: b.c: written twice; first on line 3
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    yaml.allow_duplicate_keys = True
    try:
        root, data = yaml.compose(text), yaml.load(text)
    except MarkedYAMLError as error:
        return Document(None, {}, (_syntax(error),))
    except Exception as error:  # control characters, and odd scalars such as `!!int`, on which ruamel itself fails
        return Document(None, {}, (Problem(1, 1, (), f"is not YAML: {' '.join(str(error).split())}"),))
    places: dict[Key, tuple[int, int]] = {}
    problems: list[Problem] = []
    for key, node in _keys(root, (), set()):
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        if key in places:
            problems.append(Problem(line, column, key, f"written twice; first on line {places[key][0]}"))
        else:
            places[key] = (line, column)
    return Document(data, places, tuple(problems))


def _keys(node: Node | None, above: Key, visited: set[int]) -> Iterator[tuple[Key, Node]]:
    """Yield every key and list item with the node where it starts; an anchored part once, where it is defined."""
    if node is None or id(node) in visited:
        return
    visited.add(id(node))
    pairs: list[tuple[Any, Node, Node]] = []
    if isinstance(node, MappingNode):
        pairs = [(name.value, name, value) for name, value in node.value]
    elif isinstance(node, SequenceNode):
        pairs = [(i, item, item) for i, item in enumerate(node.value)]
    for part, place, value in pairs:
        key = (*above, part if isinstance(part, int) else str(part))
        yield key, place
        yield from _keys(value, key, visited)


_ADVICE = {
    "\\t": "a tab; YAML is indented with spaces only",
    "mapping values are not allowed": "a second `:`; quote a value that contains `: `, or correct the line above",
}


def _syntax(error: MarkedYAMLError) -> Problem:
    """Return a syntax error of ruamel as a problem."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = " ".join(str(part) for part in (error.context, error.problem) if part)
    message = next((advice for sign, advice in _ADVICE.items() if sign in repr(problem)), problem)
    return Problem(line, column, (), message)
