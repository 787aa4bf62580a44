"""A release has one version: in pyproject.toml, changelog, tag and installed package."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess

import pytest

from tests.support.release import disagreements
from tests.unit.repo.test_repo import ROOT, tracked

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
RELEASED = "# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2025-01-31\n\n### Fixed\n\n- It.\n\n## 0.1.0 - 2024-12-01\n"


def version() -> str:
    """Return the version of pyproject.toml."""
    found = re.search(r'^version = "(\d+\.\d+\.\d+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def tags() -> list[str]:
    """Return the tags of the commit that is checked out."""
    command = ["git", "tag", "--points-at", "HEAD"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()


def test_version_changelog_and_tag_agree() -> None:
    """Where the commit is tagged, the tag is the version, and the changelog has its date."""
    assert [] == disagreements(version(), CHANGELOG, tags())


def test_what_is_installed_has_the_version() -> None:
    """`make setup` has installed this checkout; run it again after a change of the version."""
    assert version() == importlib.metadata.version("leeway")


def test_the_version_is_written_once() -> None:
    """No module has a copy of it that could lag behind."""
    assert [] == [
        str(p) for p in tracked(r"\.py$") if "__version__ = " in (ROOT / p).read_text() and p.name != "test_release.py"
    ]


@pytest.mark.parametrize(
    ("number", "text", "names", "problem"),
    [
        ("0.2.0", RELEASED, ["v0.2.0"], None),
        ("0.3.0", RELEASED, [], None),
        ("0.2.0", RELEASED, ["v0.2.1"], "tagged v0.2.1"),
        ("0.3.0", RELEASED, ["v0.3.0"], "no heading for 0.3.0"),
        ("0.1.0", RELEASED, [], "older than 0.2.0"),
        ("0.2.0", RELEASED.replace("Unreleased\n", "Unreleased\n\n- More.\n"), ["v0.2.0"], "under Unreleased"),
        ("0.2.0", RELEASED.replace("2025-01-31", "soon"), [], "no heading like"),
        ("0.2.0", RELEASED.replace("Fixed", "Mended"), [], "'Mended' is no section"),
        ("0.2.0", RELEASED.replace("## Unreleased\n", ""), [], "does not begin with Unreleased"),
    ],
)  # fmt: skip
def test_what_does_not_agree_is_named(number: str, text: str, names: list[str], problem: str | None) -> None:
    """Each way in which a release can be put together wrongly has its sentence."""
    problems = disagreements(number, text, names)

    assert (problem is None) == (not problems)
    assert problem is None or problem in problems[0]
