"""The glossary names places that exist, and every word once."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROWS = re.findall(
    r"^\| (?!word|---)([^|]+) \| [^|]+ \| `([^`]+)` \|$", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE
)


def test_every_place_exists() -> None:
    """A module that moved takes its line along."""
    assert [] == [place for _, place in ROWS if not (ROOT / place).is_file()]


def test_every_word_is_there_once() -> None:
    """Two meanings of one word are what the page is to end."""
    words = [word for words, _ in ROWS for word in words.split(", ")]
    assert len(words) == len(set(words)) >= 60
