"""A registry a test, empty and at the newest schema. Another database is one more entry in `BACKENDS`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.sql import Registry

BACKENDS = ("sqlite",)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty registry that is copied for every test: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "leeway.db"
    Registry.open(f"sqlite:///{path}", path.parent).close()
    return path


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> str:
    """Return the address of a database of the test's own."""
    assert request.param == "sqlite"
    shutil.copy(template, tmp_path / "leeway.db")
    return f"sqlite:///{tmp_path / 'leeway.db'}"


@pytest.fixture
def reg(url: str, tmp_path: Path) -> Iterator[Registry]:
    """Yield an empty registry."""
    with Registry.open(url, tmp_path / "artifacts") as registry:
        yield registry
