"""Fixtures of command tests: new registries are copies of a migrated one, since migrations take long."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from registry.connection import Registry


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty SQLite registry at the newest schema."""
    path = tmp_path_factory.mktemp("migrated") / "leeway.db"
    Registry.open(f"sqlite:///{path}", path.parent / "artifacts").close()
    return path


@pytest.fixture(autouse=True)
def new_registries_are_copies(migrated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy *migrated* where a command would run every migration; tests of the registry itself run them."""
    really = Registry.migrate

    def migrate(self: Registry, revision: str = "head") -> None:
        if revision != "head" or self.url.get_backend_name() != "sqlite" or self.schema_version() is not None:
            really(self, revision)
            return
        with closing(sqlite3.connect(migrated)) as source, closing(sqlite3.connect(str(self.url.database))) as copy:
            source.backup(copy)

    monkeypatch.setattr(Registry, "migrate", migrate)
