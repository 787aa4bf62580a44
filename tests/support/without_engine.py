"""Jobs over parts without Flink: the same function called in this process, which saves a start of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monitors.flink.parts_job import PartFunction


def run(function: PartFunction, parts: Sequence[str], _: Path) -> None:
    """Call the function with each part, as :func:`monitors.flink.parts_job.run` does."""
    call = function.open()
    for part in parts:
        call(part)
