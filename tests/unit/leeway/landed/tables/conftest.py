"""Fixtures: a database of each kind, empty for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support import postgres_server
from tests.support.table_world import DATABASE, TableWorld

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]


@pytest.fixture(scope="session")
def server() -> Iterator[sa.URL]:
    """Yield a PostgreSQL server."""
    with postgres_server.running() as url:
        yield url.set(drivername="postgresql+psycopg")


@pytest.fixture(params=BACKENDS)
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TableWorld]:
    """Yield a world on each kind of database."""
    if request.param == "sqlite":
        yield from _world(sa.URL.create("sqlite", database=str(tmp_path / "outcomes.db")), tmp_path, monkeypatch)
        return
    yield from _on_server(request.getfixturevalue("server"), tmp_path, monkeypatch)


@pytest.fixture
def postgres(server: sa.URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TableWorld]:
    """Yield a world on PostgreSQL."""
    yield from _on_server(server, tmp_path, monkeypatch)


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TableWorld]:
    """Yield a world on SQLite."""
    yield from _world(sa.URL.create("sqlite", database=str(tmp_path / "outcomes.db")), tmp_path, monkeypatch)


def _on_server(server: sa.URL, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TableWorld]:
    name, admin = f"t{uuid.uuid4().hex}", sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as c:
        c.exec_driver_sql(f"create database {name}")
    try:
        yield from _world(server.set(database=name), folder, monkeypatch)
    finally:
        with admin.connect() as c:
            c.exec_driver_sql(f"drop database {name} with (force)")
        admin.dispose()


def _world(url: sa.URL, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TableWorld]:
    text, engine = url.render_as_string(hide_password=False), sa.create_engine(url, poolclass=sa.NullPool)
    monkeypatch.setenv(DATABASE, text)
    yield TableWorld(engine, text, folder)
    engine.dispose()
