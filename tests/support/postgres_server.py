"""A PostgreSQL server for tests: the one that is named in the environment, or pip's own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from leeway.stack import postgres

POSTGRES = "LEEWAY_TEST_POSTGRES"
"""The variable that may name a PostgreSQL server to make databases on, like ``postgresql://user@host/postgres``."""


@contextmanager
def running() -> Iterator[sa.URL]:
    """Yield the URL of the server's maintenance database."""
    if known := os.environ.get(POSTGRES):
        yield sa.make_url(known)
        return
    # Not in pytest's folder: where root runs the tests, the server is another user and has to get there.
    with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder), durable=False) as url:
        yield sa.make_url(url)
