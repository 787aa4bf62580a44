"""What a command costs: seconds of wall and of processor time with all that it starts, and its largest memory."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

LOOK_SECONDS = 0.05
"""Pause between two looks at the processes: what a process uses after the last one is not counted."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of wall and processor time, and the largest memory (MB) that its processes had together."""

    wall: float
    cpu: float
    peak: float = 0.0

    def after(self, start: Cost) -> Cost:
        """Return the cost without that of a start."""
        return Cost(self.wall - start.wall, self.cpu - start.cpu, self.peak)


def module(name: str, *arguments: str) -> Cost:
    """Return the cost of `python -m NAME ARGUMENTS`, with one thread for numeric libraries; it must succeed."""
    return of([sys.executable, "-m", name, *arguments])


def of(command: Sequence[str]) -> Cost:
    """Return the cost of a command, from its start to its end; it must succeed."""
    spent, peak, began = dict[tuple[int, float], float](), 0, time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = psutil.Popen(list(command), stdout=out, stderr=subprocess.STDOUT)
        while process.poll() is None:
            memory = 0
            for each in _tree(process):
                with contextlib.suppress(psutil.Error):  # it may have ended
                    spent[each.pid, each.create_time()] = sum(each.cpu_times()[:2])
                    memory += each.memory_info().rss
            peak = max(peak, memory)
            time.sleep(LOOK_SECONDS)
        wall = time.perf_counter() - began
        if process.returncode:
            out.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{out.read().decode(errors='replace')}")
    return Cost(wall, sum(spent.values()), peak / 1e6)


def _tree(process: psutil.Popen) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
