"""Rolling upgrade: the tests of the older release on the database schema of the newer one.

That today's release works on the schema of one to come is shown by the registry's own tests, whose registries in
PostgreSQL have it.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.unit.registry.conftest import MIGRATIONS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # all tests of the registry run in one of them

ROOT = Path(__file__).parents[2]
SUITE = ("tests/unit/registry", "--ignore=tests/unit/registry/database/test_migrate.py")
QUICK = ("-m", "not slow", "--hypothesis-profile", "fast")
"""On SQLite alone, which has the same statements and takes a seventh of the time, and with fewer examples."""
PREVIOUS = os.environ.get("LEEWAY_PREVIOUS", "")
"""A commit, or "newest" for the newest release; without it that one too, on SQLite alone."""


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
    environment = os.environ | {MIGRATIONS: str(ROOT / "alembic"), "PYTHONPATH": str(tmp_path)}
    tests = SUITE if PREVIOUS else (*SUITE, *QUICK)
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--color=no", *tests]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)

    assert 0 == ran.returncode, ran.stdout[-3000:]


def _newest_release() -> str:
    said = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^"], cwd=ROOT, capture_output=True, text=True
    )
    return said.stdout.strip()
