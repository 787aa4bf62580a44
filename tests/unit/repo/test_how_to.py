"""How-to pages and CONTRIBUTING name files and modules that exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.unit.repo.test_repo import ROOMS, ROOT

PAGES = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?![`\]])")  # a link's own target is checked when the site is built
_FILE = re.compile(r"[\w.-]+(/[\w.-]+)+/?|[\w-]+\.(md|toml|py)")
_NAME = re.compile(rf"({'|'.join((*ROOMS, 'tests', 'benchmarks'))})(\.\w+)+")


def spans(page: Path, pattern: re.Pattern[str]) -> list[str]:
    """Return what stands between backticks on *page*, outside of blocks, and looks like *pattern*."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [span for span in _SPAN.findall(text) if pattern.fullmatch(span)]


def is_there(name: str) -> bool:
    """Return whether *name* is a module, or an attribute (a field too) of one, as far down as it says."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        return has(value, parts[cut:])
    return False


def has(value: object, parts: list[str]) -> bool:
    """Return whether *value* has the attribute, or the field of a class, that *parts* lead to."""
    if not parts:
        return True
    fields = {**getattr(value, "model_fields", {}), **getattr(value, "__dataclass_fields__", {})}
    if parts[0] in fields and len(parts) == 1:
        return True
    return hasattr(value, parts[0]) and has(getattr(value, parts[0]), parts[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    """Files moved: mend the page."""
    assert [] == [
        span for span in spans(page, _FILE) if not any((base / span).exists() for base in (ROOT, page.parent))
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_of_a_module_that_a_page_has_exists(page: Path) -> None:
    """Names changed: mend the page."""
    files = set(spans(page, _FILE))

    assert [] == [span for span in spans(page, _NAME) if span not in files and not is_there(span)]


def test_a_name_that_is_gone_is_found() -> None:
    """Modules, attributes and fields are told from what is not there."""
    there = [
        "monitors.report",
        "monitors.finding.Signal.QUALITY",
        "registry.records.Message.id",
        "monitors.signals.SIGNALS",
    ]

    assert all(map(is_there, there))
    assert not any(map(is_there, ["monitors.nothing", "monitors.report.Nothing", "registry.records.Message.nothing"]))


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_a_page_has_about_eight_steps_and_ends_with_its_test(page: Path) -> None:
    """Step 8 is the conformance test of that page, which exists."""
    text = page.read_text()
    steps = re.findall(r"^(\d+)\. ", text, re.MULTILINE)

    assert page.name == "index.md" or {"8"} == {s for s in steps if int(s) >= 8}
    assert re.search(r"tests/conformance/test_\w+\.py", text)
