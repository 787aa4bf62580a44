"""Servers that integration tests share: each is started once, by the first test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from leeway.stack import broker as kafka
from leeway.stack import cluster


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
