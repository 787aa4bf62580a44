"""Several projects in one process: modules of one are not imported by another."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from tests.support import project_imports


@pytest.mark.parametrize("text", ["import beside\nHERE = beside.HERE\n", "HERE = __file__\n"])
def test_two_projects_may_have_a_module_of_one_name(tmp_path: Path, text: str) -> None:
    """Each gets its own, also where the folder was taken off the path before the module was forgotten."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "project_of_a_test.py").write_text(text)
        (tmp_path / name / "beside.py").write_text("HERE = __file__\n")

    for name in ("one", "two"):
        with project_imports.undone():
            sys.path.append(str(tmp_path / name))
            module = importlib.import_module("project_of_a_test")
            sys.path.pop()
        assert name == Path(module.HERE).parent.name
        assert sys.modules.keys().isdisjoint({"project_of_a_test", "beside"})
