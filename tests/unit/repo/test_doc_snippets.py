"""Snippets of the documentation: Python runs, commands parse, parts of a project file are valid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from leeway.project.file_schema import ModelSection, ProjectFile
from tests.support import command_syntax
from tests.unit.repo.test_repo import ROOT, tracked

PAGES = [path for path in tracked(r"\.md$") if path.name != "CHANGELOG.md"]
LANGUAGES = {"python", "sh", "yaml", "text", "mermaid", ""}
_SPAN = re.compile(r"(?<!`)`(leeway [^`]+)`(?!`)")
_FENCE = re.compile(r"^ *```\{?(\w*)", re.MULTILINE)


def run_shell(example: Example) -> None:
    """Check each command of a shell snippet."""
    words = list(command_syntax.commands(example.parsed))
    problems = {" ".join(command): command_syntax.problem(command) for command in words}

    assert {} == {command: problem for command, problem in problems.items() if problem}


def run_yaml(example: Example) -> None:
    """Check a snippet of a project file: all of it, or some keys of it or of one of its models."""
    data = json.loads(json.dumps(YAML(typ="safe").load(example.parsed), default=str))
    fits = [errors(model, data) for model in (ProjectFile, ModelSection) if set(data) <= set(model.model_fields)]

    assert fits, f"no keys of a project file or of a model: {', '.join(data)}"
    assert [] in fits, min(fits, key=len)


def errors(model: type[BaseModel], data: dict[str, Any]) -> list[str]:
    """Return what is wrong with *data* but that it is only a part: keys that are not there may be elsewhere."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        return [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors() if e["type"] != "missing"]
    return []


def snippets() -> Iterator[tuple[str, Example]]:
    """Yield each fenced block of each page, named by page and line; those of one page share their names."""
    parsers = [PythonCodeBlockParser(), CodeBlockParser("sh", run_shell), CodeBlockParser("yaml", run_yaml)]
    for path in PAGES:
        for example in Sybil(parsers=parsers, path=str(ROOT)).parse(ROOT / path).examples():
            yield f"{path}:{example.line}", example


SNIPPETS = dict(snippets())
SPANS = sorted({(str(path), span) for path in PAGES for span in _SPAN.findall((ROOT / path).read_text())})


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_works(name: str) -> None:
    """A block of Python runs, a command would be taken, YAML is a project file or a part of one."""
    SNIPPETS[name].evaluate()


@pytest.mark.parametrize(("path", "span"), SPANS, ids=[f"{path}: {span}" for path, span in SPANS])
def test_a_command_in_a_sentence_exists(path: str, span: str) -> None:
    """`leeway ...` between backticks names a command and options that there are; a new line is a space."""
    for words in command_syntax.commands(span.replace("\n", " ")):
        assert "" == command_syntax.problem(words, whole=False), path


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_a_block_says_what_it_is(path: Path) -> None:
    """A fenced block is in a language that is checked here, or is text; directives of the site have braces."""
    text = (ROOT / path).read_text()
    opened = [m[1] for m in list(_FENCE.finditer(text))[::2] if "{" not in m[0]]

    assert set() == set(opened) - LANGUAGES


def test_what_is_wrong_is_found() -> None:
    """An option, a command, a target, a module and a key that are not there are errors."""
    wrong = ["leeway status --jsn", "leeway statsu", "leeway promote", "make dmeo", "python -m benchmarks.nothing"]

    assert [] == [line for line in wrong if not command_syntax.problem(next(command_syntax.commands(line)))]
    assert ["monitor.min_efect: Extra inputs are not permitted"] == errors(ModelSection, {"monitor": {"min_efect": 1}})
