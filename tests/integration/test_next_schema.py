"""Rolling upgrade: the tests of the older release on the database schema of the newer one."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from registry.database import migrate
from tests.unit.registry.conftest import MIGRATIONS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # all tests of the registry run in one of them

ROOT = Path(__file__).parents[2]
SUITE = ("tests/unit/registry", "--ignore=tests/unit/registry/database/test_migrate.py")
QUICK = ("-m", "not slow", "--hypothesis-profile", "fast")
"""On SQLite alone, which has the same statements and takes a seventh of the time, and with fewer examples."""
SAME = ("tests/unit/registry/database/test_migrate.py::test_migrations_make_what_the_tables_say",)
PREVIOUS = os.environ.get("LEEWAY_PREVIOUS", "")
"""A commit, or "newest" for the newest release; without it that one too, on SQLite alone."""

ADDITIONS = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9999", "{newest}"


def upgrade():
    for table in sa.inspect(op.get_bind()).get_table_names():
        if table != "{versions}":
            op.add_column(table, sa.Column("more", sa.String(), nullable=True))
    op.create_table("more", sa.Column("id", sa.Integer(), primary_key=True))
"""


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the migrations of a release to come, which adds a column to every table, and a table."""
    folder = tmp_path_factory.mktemp("later") / "alembic"
    shutil.copytree(migrate.folder(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    added = ADDITIONS.format(newest=migrate.head(), versions=migrate.VERSION_TABLE)
    (folder / "versions" / "9999_more.py").write_text(added)
    return folder


def test_this_release_works_on_a_schema_that_has_been_added_to(later: Path) -> None:
    """Reads and writes name their columns, so that a migration that only adds needs nobody to stop."""
    ran = run(ROOT, (*SUITE, *QUICK), later)

    assert 0 == ran.returncode, ran.stdout[-3000:]


def test_the_schema_that_these_tests_ran_on_was_another(later: Path) -> None:
    """Or the test above would show nothing."""
    ran = run(ROOT, SAME, later)

    assert 1 == ran.returncode
    assert "Can't locate revision identified by '9999'" in ran.stdout


def test_the_release_before_works_on_this_schema(tmp_path: Path) -> None:
    """Its own registry tests, as they were, pass on what this checkout's migrations make."""
    release = _newest_release() if PREVIOUS in ("", "newest") else PREVIOUS
    if not release:
        pytest.skip("there is no release yet; `make test-previous PREVIOUS=commit` tests another commit instead")
    packed = subprocess.run(["git", "archive", release], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as checkout:
        checkout.extractall(tmp_path, filter="data")
    asks = (tmp_path / "tests" / "unit" / "registry" / "conftest.py").read_text()
    assert MIGRATIONS in asks, f"the tests of {release} know their own schema only: it was refused newer ones"
    ran = run(tmp_path, SUITE if PREVIOUS else (*SUITE, *QUICK), ROOT / "alembic")

    assert 0 == ran.returncode, ran.stdout[-3000:]


def run(checkout: Path, tests: tuple[str, ...], migrations: Path) -> subprocess.CompletedProcess[str]:
    """Run a checkout's tests on the schema of these *migrations*."""
    environment = os.environ | {MIGRATIONS: str(migrations), "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--color=no", *tests]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=600)


def _newest_release() -> str:
    said = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^"], cwd=ROOT, capture_output=True, text=True
    )
    return said.stdout.strip()
