"""Shared fixtures of integration tests: servers and an example that was run, each started by the first test."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from leeway.stack import broker as kafka
from leeway.stack import cluster
from tests.support.command_line import leeway

EXAMPLE = Path(__file__).parents[2] / "examples" / "sea"


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a real broker; make topics of a name of your own."""
    with kafka.running(tmp_path_factory.mktemp("broker")) as address:
        yield address


@pytest.fixture(scope="session")
def flink_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the REST address of a session cluster with two slots; end the jobs that you submit."""
    with cluster.running(tmp_path_factory.mktemp("cluster")) as address:
        yield address


@pytest.fixture(scope="session")
def _monitored(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return the sea example, checked, baselined and monitored once, for all processes that run tests."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "sea"
    with filelock.FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            made = folder.with_suffix(".part")
            shutil.copytree(EXAMPLE, made, ignore=shutil.ignore_patterns(".leeway", "events", "__pycache__"))
            subprocess.run([sys.executable, "make_events.py", "events", "--seed", "7"], cwd=made, check=True)
            for command in (["check"], ["baseline"], ["monitor", "--once"]):
                leeway(made, *command)
            made.rename(folder)
    return folder


@pytest.fixture(scope="module")
def sea(_monitored: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of a module's own with the sea example, as it is after one look at all of its events."""
    folder = tmp_path_factory.mktemp("projects") / "sea"
    shutil.copytree(_monitored, folder)
    return folder
