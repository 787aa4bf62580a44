"""Fixtures and settings for all tests."""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import Phase, settings

from tests.support import project_imports

# Machines are shared: how long an example takes says nothing about the code. `make test` draws 40 % of Hypothesis's
# examples, other ones each time; `make test-thorough` draws all.
settings.register_profile("usual", deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=100)
# `make test-fast` draws a quarter of the examples, and does not shrink one that fails: that may take five minutes.
settings.register_profile("fast", deadline=None, max_examples=25,
                          phases=(Phase.explicit, Phase.reuse, Phase.generate))  # fmt: skip
settings.load_profile("usual")

# Tables are read whole, whatever screen the tests run on; one that is "dumb" would have 80 columns.
os.environ["COLUMNS"], os.environ["TERM"] = "300", "xterm"
# What starts in the background ignores Ctrl-C, and so would the programs under test.
signal.signal(signal.SIGINT, signal.default_int_handler)


@sa.event.listens_for(sa.Engine, "connect")
def _without_waiting_for_the_disk(connection: Any, _: object) -> None:
    """No test takes the power away, and tests commit thousands of times: each would wait for the disk."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(autouse=True, scope="module")
def without_projects_of_other_files() -> Iterator[None]:
    """Loading a trainer leaves its project importable, and another project's module of that name would be refused."""
    with project_imports.undone():
        yield


@pytest.fixture(autouse=True)
def without_projects_of_other_tests(without_projects_of_other_files: None) -> Iterator[None]:
    """The same between the tests of one file."""
    with project_imports.undone():
        yield


def pytest_collection_finish() -> None:
    """Keep the imported libraries out of every later garbage collection: they are a million objects, and stay."""
    gc.freeze()
