"""What holds for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Machines are shared: how long an example takes says nothing about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Tables are read whole, whatever screen the tests run on; one that is "dumb" would have 80 columns.
os.environ["COLUMNS"], os.environ["TERM"] = "300", "xterm"
# What starts in the background ignores Ctrl-C, and so would the programs under test.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="module")
def without_traces_of_flink() -> Iterator[None]:
    """An embedded job's worker runs in this process and leaves a variable, with which no child could start Flink."""
    os.environ.pop("PYFLINK_GATEWAY_DISABLED", None)
    yield
    os.environ.pop("PYFLINK_GATEWAY_DISABLED", None)
