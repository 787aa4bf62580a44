"""The security page names a test for each promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)))
ROWS = [
    line.split(" | ")
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| --", "| they can", "| it can"))
]


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_every_test_that_the_page_names_is_there(file: str, test: str) -> None:
    """A test that is renamed or removed takes its promise with it, or the page is wrong."""
    assert f"def {test}(" in (ROOT / file).read_text() if test else (ROOT / file).is_file()


def test_every_promise_has_a_test() -> None:
    """What somebody cannot do is said by a test; what they can do needs none."""
    assert len(ROWS) > 30
    assert [] == [row for row in ROWS if row[1].strip(" |") and not row[2].strip(" |").startswith("`tests/")]


def test_the_page_is_found_from_the_readme() -> None:
    """Who looks for it starts there."""
    assert "docs/security.md" in (ROOT / "README.md").read_text()
