"""Resident memory of a process with its descendants, and the memory that this machine or container has."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import psutil

FAMILY_SECONDS: Final = 1.0
"""How often the descendants of the child are looked up, which reads the whole table of processes."""
CGROUP: Final = Path("/sys/fs/cgroup/memory.max")
"""The memory limit of this container, in bytes or ``max`` (cgroup v2)."""


def machine_memory() -> int:
    """Return the memory of the machine in bytes, or of the container where that has less."""
    total = int(psutil.virtual_memory().total)
    try:
        return min(total, int(CGROUP.read_text()))
    except (OSError, ValueError):  # no such file, or `max`
        return total


def format_bytes(number: float) -> str:
    """Return a number of bytes in decimal units.

    >>> format_bytes(512), format_bytes(4e9), format_bytes(1_500_000)
    ('512 bytes', '4 GB', '1.5 MB')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f} bytes"


class GroupMemory:
    """The resident memory of a process and its descendants; pages that they share are counted for each.

    Parameters
    ----------
    pid
        The process.
    """

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self._family: list[psutil.Process] = []
        self._as_of = float("-inf")

    def measure(self) -> int:
        """Return the memory in bytes; 0 if the process has ended."""
        now = time.monotonic()
        if now - self._as_of >= FAMILY_SECONDS:
            self._family, self._as_of = _family(self._pid), now
        return sum(map(_resident, self._family))


def _family(pid: int | None) -> list[psutil.Process]:
    """Return a process and its descendants; empty if it has ended."""
    try:
        child = psutil.Process(pid)
        return [child, *child.children(recursive=True)]
    except psutil.Error:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has ended
        return 0
