"""What the commands' tests share: a folder with the smallest project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import SMALL_PROJECT


@pytest.fixture
def small_project(tmp_path: Path) -> Path:
    """Return a folder with a project whose registry is empty."""
    (tmp_path / "leeway.yaml").write_text(SMALL_PROJECT)
    return tmp_path
