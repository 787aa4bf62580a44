"""Files for contributors: issue forms, hooks, editor settings, and the site's navigation."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema
from ruamel.yaml import YAML

from tests.unit.repo.test_repo import ROOT, tracked

BIN = Path(sys.executable).parent
FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"
DOCS = ROOT / "docs"


@cache
def read(path: Path) -> Any:
    """Return what a YAML file says, in plain values."""
    return json.loads(json.dumps(YAML(typ="safe").load(path.read_text())))


@pytest.mark.parametrize("name", ["bug.yaml", "feature.yaml"])
def test_an_issue_form_has_the_structure_that_github_takes(name: str) -> None:
    """Held to the schema that check-jsonschema brings along."""
    schema = get_builtin_schema("vendor.github-issue-forms")
    validator = jsonschema.validators.validator_for(schema)(schema)

    assert [] == [error.message for error in validator.iter_errors(read(FORMS / name))]


def test_the_chooser_of_issues_has_its_structure() -> None:
    """So has the page on which a form is chosen."""
    schema = get_builtin_schema("vendor.github-issue-config")
    validator = jsonschema.validators.validator_for(schema)(schema)

    assert [] == [error.message for error in validator.iter_errors(read(FORMS / "config.yml"))]


def test_hooks_are_valid() -> None:
    """The configuration is one that pre-commit takes."""
    command = [BIN / "pre-commit", "validate-config", ROOT / ".pre-commit-config.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)


def test_hooks_are_those_of_make_check_and_of_its_environment() -> None:
    """Each hook runs a program of `.venv`; none is fetched, and none of `make check` is missing."""
    hooks = [hook for repo in read(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    programs = [hook["entry"].split()[0] for hook in hooks]
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert recipe is not None
    assert {"system"} == {hook["language"] for hook in hooks}
    assert [] == [program for program in programs if not (BIN / Path(program).name).exists()]
    assert set(re.findall(r"\$\(BIN\)/([\w-]+)", recipe[1])) <= {Path(program).name for program in programs}


def test_every_page_is_in_the_navigation() -> None:
    """A page that no table of contents names cannot be found on the site."""
    indexes = [ROOT / path for path in tracked(r"^docs/.*\.md$") if "{toctree}" in (ROOT / path).read_text()]
    listed = {
        str((index.parent / entry).relative_to(DOCS))
        for index in indexes
        for block in re.findall(r"```\{toctree\}\n(.*?)```", index.read_text(), re.DOTALL)
        for entry in block.split("\n")
        if entry and entry[0] not in ":*0"
    }
    pages = {str(path.relative_to("docs").with_suffix("")) for path in tracked(r"^docs/.*\.md$")}

    assert set() == {page for page in pages - listed - {"index"} if not page.startswith("decisions/0")}


def test_text_files_end_as_the_editor_is_told() -> None:
    """`.editorconfig` asks for a line end at the end of each file, and for no other kind of line end."""
    texts = [path for path in tracked(r"\.(md|ya?ml|toml|cfg)$") if (ROOT / path).read_bytes()]

    assert [] == [
        str(p) for p in texts if not (ROOT / p).read_bytes().endswith(b"\n") or b"\r" in (ROOT / p).read_bytes()
    ]
