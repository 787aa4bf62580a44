"""Translates pydantic's validation errors of a project file into messages with line, key and fix."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from leeway.project import file_schema
from leeway.project.yaml_positions import Document, Key, Problem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


_NO_KEYS = ("[key]", file_schema.KIND_TAG, file_schema.FACT_TAG, file_schema.TRANSFORM_TAG)
"""Parts of an error's place that are no keys of the file."""


def explain(errors: Iterable[ErrorDetails], document: Document, *, under: Key = ()) -> list[Problem]:
    """Return one problem for each error; *under* is the key of the validated section."""
    out = []
    for error in errors:
        key = (*under, *(part for part in error["loc"] if part not in _NO_KEYS))
        out.append(document.problem(key, _message(error, key)))
    return out


def did_you_mean(word: object, candidates: Sequence[str]) -> str:
    """Return a suggestion of the candidate closest to *word*; empty where none is close.

    >>> did_you_mean("windws", ["windows", "signals"])
    '; did you mean `windows`?'
    """
    close = difflib.get_close_matches(str(word), candidates, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def count(n: int, thing: str) -> str:
    """Return a number with its noun, in the plural where it is not 1.

    >>> count(1, "file"), count(2000, "file")
    ('1 file', '2,000 files')
    """
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def known_keys(key: Key) -> list[str]:
    """Return the keys that a project file may hold under *key*, in the order of the documentation.

    >>> known_keys(("models", "any", "baseline"))
    ['start', 'end']
    """
    node = _schema()
    for part in key:
        node = _below(node, part)
    return list(node.get("properties", {}))


@cache
def _schema() -> dict[str, Any]:
    return file_schema.json_schema()


def _below(node: dict[str, Any], part: str | int) -> dict[str, Any]:
    """Return the JSON Schema of the key *part* of *node*; empty where there is none."""
    open_ended = [*node.get("patternProperties", {}).values(), node.get("additionalProperties"), node.get("items")]
    below = node.get("properties", {}).get(part) or next((n for n in open_ended if isinstance(n, dict)), {})
    choices = [below, *below.get("anyOf", []), *below.get("oneOf", [])]
    refs = [choice["$ref"].rsplit("/", 1)[1] for choice in choices if "$ref" in choice]
    sections = [_schema()["$defs"][name] for name in refs]
    return next((section for section in sections if "properties" in section), sections[0] if sections else below)


_EXAMPLES = {
    "trainer": "trainers:static, a module and a function in it",
    "online": "trainers:online, a module and a function in it",
    "url": "https://example.org/hook",
    "secret_env": "WEBHOOK_SECRET, the name of an environment variable",
    "name": "on-call: small letters, digits, - and _",
    "project": "late-flights: letters, digits, - and _",
}


def _message(error: ErrorDetails, key: Key) -> str:
    """Return what is wrong with the value of *key*, and what it must be."""
    got, kind, context = error["input"], error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(key)
    if kind == "missing":
        return "is required but absent"
    if kind in ("enum", "literal_error"):
        choices = re.findall(r"'([^']*)'", context["expected"])
        return f"{got!r} is not one of {', '.join(choices)}{did_you_mean(got, choices)}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return (
            f"must hold keys of its own, not {got!r}" if got is not None else "is empty; it must hold keys of its own"
        )
    if kind == "tuple_type":
        return f"must be a list, like [{got}]"
    if kind == "string_pattern_mismatch" and error["loc"][-1] == "[key]":
        return "a name is made of letters, digits, - and _"
    if kind == "string_pattern_mismatch":
        return f"{got!r} must look like {_EXAMPLES.get(str(key[-1]), context['pattern'])}"
    if kind == "value_error":
        return error["msg"].removeprefix("Value error, ")
    return f"{error['msg'][:1].lower()}{error['msg'][1:]}, not {got!r}"


def _unknown(key: Key) -> str:
    """Return the message for an unknown key: a misspelling, or a key of a section below."""
    *above, name = key
    siblings = known_keys(tuple(above))
    deeper = [part for part in siblings if name in known_keys((*above, part))]
    if deeper:
        return f"unknown key here; it belongs under `{deeper[0]}`"
    return f"unknown key{did_you_mean(name, siblings) or '; known are ' + ', '.join(siblings)}"
