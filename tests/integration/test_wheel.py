"""The wheel: built, installed into an empty environment, and used there."""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
import tarfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.repo.test_release import version

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def run(command: list[str | Path], folder: Path, *, code: int = 0) -> str:
    """Run *command* in *folder*, with nothing of this checkout on its path, and return its output."""
    names = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LEEWAY_PROJECT")
    env = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)

    assert code == done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from the unpacked source archive: what the archive lacks, the wheel lacks."""
    folder = tmp_path_factory.mktemp("dist")
    run([BIN / "hatchling", "build", "-t", "sdist", "-d", folder], ROOT)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    run([BIN / "hatchling", "build", "-t", "wheel", "-d", folder], folder / f"leeway-{version()}")
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def leeway(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `leeway` of an environment that held nothing before the lock and the wheel."""
    folder = tmp_path_factory.mktemp("empty")
    uv, python = BIN / "uv", folder / "venv" / "bin" / "python"
    run([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], folder)
    install = [uv, "pip", "install", "--quiet", "--python", python]
    run([*install, "--require-hashes", "-r", ROOT / "requirements" / "lock.txt"], folder)
    run([*install, "--no-deps", wheel], folder)
    return python.parent / "leeway"


@pytest.fixture(scope="module")
def project(leeway: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which `leeway init` has made a project of a small log."""
    folder, rng = tmp_path_factory.mktemp("project"), random.Random(3)
    start = datetime(2024, 1, 1)
    with (folder / "log.csv").open("w", newline="") as file:
        log = csv.writer(file)
        log.writerow(["id", "time", "age", "plan", "score", "churned"])
        log.writerows(
            [f"r{i}", (start + timedelta(hours=i)).isoformat(), rng.randint(18, 80), rng.choice(["basic", "pro"]),
             round(rng.random(), 4), rng.randint(0, 1)]
            for i in range(24 * 60)
        )  # fmt: skip
    columns = ["--prediction", "score", "--label", "churned", "--id", "id", "--time", "time"]
    run([leeway, "init", "--from", "log.csv", *columns], folder)
    return folder


def test_the_wheel_says_its_version(leeway: Path, tmp_path: Path) -> None:
    """That of pyproject.toml, from the metadata of what was installed."""
    assert f"leeway {version()}\n" == run([leeway, "--version"], tmp_path)


def test_every_command_can_be_imported(leeway: Path, tmp_path: Path) -> None:
    """The help imports all of them, and no module of the checkout."""
    assert "replay" in run([leeway, "--help"], tmp_path)
    where = run([leeway.parent / "python", "-c", "import leeway.cli; print(leeway.cli.__file__)"], tmp_path)

    assert str(leeway.parents[1]) in where


def test_a_project_is_made_and_checked(leeway: Path, project: Path) -> None:
    """From a log to a project file that has no errors."""
    assert (project / "leeway.yaml").is_file()
    run([leeway, "check"], project)


def test_a_registry_is_made_by_the_migrations_of_the_wheel(leeway: Path, project: Path) -> None:
    """They ship inside the package, since a top-level `alembic` would hide the library."""
    before = run([leeway, "db", "upgrade", "--json"], project)
    after = run([leeway, "db", "version", "--json"], project)
    newest = max(path.name for path in (ROOT / "alembic" / "versions").glob("0*.py"))[:4]

    assert newest in before
    assert newest in after
    run([leeway, "status"], project)
