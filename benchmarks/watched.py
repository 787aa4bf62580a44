"""Process that is watched until it ends: its wall time, processor time and peak memory, children included.

Flink's Java and its workers are children that no exit status counts, so they are looked at while they run.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Watched:
    """Seconds of wall and processor time, and the largest sum of resident memory (MB), of a process with children.

    *output* is what it printed. What a child used after the last look at it is not counted: a tenth of a second.
    """

    wall: float
    cpu: float
    peak: float
    output: str


def run(command: Sequence[str], folder: Path) -> Watched:
    """Run a command in a folder to its end, with one thread for numeric libraries.

    Raises
    ------
    RuntimeError
        It ended with another exit code than 0.
    """
    root, begun = str(Path(__file__).parents[1]), time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    with (folder / "output.log").open("w+") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=environment)
        own, used, peak = psutil.Process(process.pid), dict[int, float](), 0.0
        while process.poll() is None:
            peak = max(peak, _look(own, used))
            time.sleep(LOOK_SECONDS)
        log.seek(0)
        output = log.read()
    if process.returncode:
        raise RuntimeError(output[-2000:])
    return Watched(time.perf_counter() - begun, sum(used.values()), peak, output)


def _look(root: psutil.Process, used: dict[int, float]) -> float:
    """Note the processor seconds of a process and its children by number, and return their resident memory in MB."""
    resident = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess), one.oneshot():
                times = one.cpu_times()
                used[one.pid] = times.user + times.system
                resident += one.memory_info().rss
    return resident / 2**20
