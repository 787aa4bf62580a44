"""Fixtures: an empty registry at the newest schema for each test, on all databases that are available."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitors.baseline.baseline import Baseline
from registry import audit_export, operations, outbox
from registry.audit_log import verification
from registry.connection import Registry
from registry.database import migrate
from registry.incidents import ingest
from registry.records import AcceptedAs
from tests.support import later_schema, postgres_server
from tests.support import registry_values as make

MIGRATIONS = "LEEWAY_TEST_MIGRATIONS"
"""The variable that may name a folder of migrations: those of a later release, on whose schema these tests run then."""

LATER = "postgresql of a later release"
BACKENDS = ["sqlite", pytest.param(LATER, marks=pytest.mark.slow)]
"""Where the registries of these tests are; a module's ``REGISTRIES`` may say otherwise. During a rolling upgrade the
older release reads and writes a schema that has been added to: so do the tests on PostgreSQL, each of them."""
EXACT = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
"""The same with today's schema."""


@pytest.fixture(scope="session")
def server() -> Iterator[sa.URL]:
    """Yield a PostgreSQL server: the one that is named in the environment, or pip's own."""
    with postgres_server.running() as url:
        yield url


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that has a registry with every kind of it."""
    if "template" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "REGISTRIES", BACKENDS)
        metafunc.parametrize("template", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.URL]:
    """Yield an empty registry that is copied for every test: migrating takes longer than most tests."""
    folder = tmp_path_factory.mktemp("template")
    known = None if request.param == "sqlite" else request.getfixturevalue("server")
    with _database(known, folder) as url:
        with pytest.MonkeyPatch.context() as patch:
            named = os.environ.get(MIGRATIONS)
            later = Path(named) if named else later_schema.migrations(folder) if request.param == LATER else None
            if later:
                patch.setattr(migrate, "folder", lambda: later)
            Registry.open(_text(url), folder).close()
        yield url


@pytest.fixture(scope="session")
def filled(template: sa.URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[sa.URL, Path]]:
    """Yield a registry with a row or more in every table, and the folder of its files: filling it takes longer, too."""
    folder = tmp_path_factory.mktemp("filled")
    with _database(_server_of(template), folder, template) as url:
        with Registry.open(_text(url), folder / "artifacts") as registry:
            _fill(registry)
        yield url, folder


@pytest.fixture
def url(template: sa.URL, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the address of a registry of the test's own: an empty one, or that of `full`."""
    source = request.getfixturevalue("filled")[0] if "full" in request.fixturenames else template
    with _database(_server_of(template), tmp_path, source) as made:
        yield _text(made)


@pytest.fixture
def bare_url(template: sa.URL, tmp_path: Path) -> Iterator[str]:
    """Yield the address of a database with nothing in it."""
    with _database(_server_of(template), tmp_path) as made:
        yield _text(made)


@pytest.fixture
def reg(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Registry]:
    """Yield an empty registry; whatever a test does with it, an audit of it finds nothing, unless it is `tampering`."""
    with Registry.open(url, tmp_path / "artifacts") as registry:
        yield registry
        if request.node.get_closest_marker("tampering") is None:
            assert [] == verification.verify(audit_export.collect(registry))


@pytest.fixture
def watched(reg: Registry, known: Baseline) -> Registry:
    """Return a registry with the champion `v1`, whose baseline is the module's *known*."""
    make.model(reg)
    make.version(reg, "v1")
    operations.store_baseline(reg, known, now=make.NOW)
    make.promote(reg, "v1", 0)
    return reg


@pytest.fixture
def full(reg: Registry, filled: tuple[sa.URL, Path], tmp_path: Path) -> Registry:
    """Return a registry with a row or more in every table."""
    shutil.copytree(filled[1] / "artifacts", tmp_path / "artifacts", dirs_exist_ok=True)
    for beside in filled[1].glob("audit*"):
        shutil.copy(beside, tmp_path)
    return reg


def _fill(reg: Registry) -> None:
    make.champion(reg)
    make.ready(reg, "v2", data=b"model")
    run = make.run(reg, make.check())
    ingest.ingest(reg, [make.window(1, n=130), make.window(2, segment="a")], now=make.NOW)
    operations.accept_incident(reg, 1, accepted_as=AcceptedAs.FAULT, because="a lost cable", actor="ann", now=make.NOW)
    operations.record_look(reg, make.look(run_id=run.id))
    make.promote(reg, "v2", 1, run_id=run.id)
    outbox.fan_out(reg, {"ops": ["*"]}, now=make.NOW)
    operations.record_audit(reg, model="m", period_start=make.NOW, period_end=make.NOW, passed=True, findings=[],
                       numbers={}, report="", now=make.NOW)  # fmt: skip


class _database:  # noqa: N801 - used as a function
    """A database for the time of a `with`, on *server* or else in *folder*, copied from *template* if one is given."""

    def __init__(self, server: sa.URL | None, folder: Path, template: sa.URL | None = None) -> None:
        name = f"leeway_{uuid.uuid4().hex}"
        self.template = template
        self.server = server
        self.url = self.server.set(database=name) if self.server else sa.make_url(f"sqlite:///{folder / name}.db")

    def __enter__(self) -> sa.URL:
        if self.server:
            self._tell(
                f"CREATE DATABASE {self.url.database}"
                + (f" TEMPLATE {self.template.database}" if self.template else "")
            )
        elif self.template:
            shutil.copy(str(self.template.database), str(self.url.database))
        return self.url

    def __exit__(self, *_: object) -> None:
        if self.server:
            self._tell(f"DROP DATABASE {self.url.database} WITH (FORCE)")

    def _tell(self, statement: str) -> None:
        assert self.server is not None
        engine = sa.create_engine(self.server, isolation_level="AUTOCOMMIT")
        with engine.connect() as c:
            c.execute(sa.text(statement))
        engine.dispose()


def _server_of(template: sa.URL) -> sa.URL | None:
    return template.set(database="postgres") if template.get_backend_name() == "postgresql" else None


def _text(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)
