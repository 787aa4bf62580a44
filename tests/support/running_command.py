"""A `leeway` command that goes on until it is stopped, as a process that can be killed with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_SECONDS = 240


class Running:
    """A process of `leeway WORDS`, in a group of its own, so that Java dies with it."""

    def __init__(self, folder: Path, *words: str) -> None:
        """Start it in *folder*."""
        self._log = folder / "process.log"
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "leeway", *words], cwd=folder, stdout=out, stderr=out, start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip

    def wait(self, until: Callable[[], bool], every: float = 0.05) -> None:
        """Wait until something is so."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not until():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            time.sleep(every)

    def log(self) -> str:
        """Return what it and those before it in this folder have written."""
        return self._log.read_text()

    def kill(self) -> None:
        """SIGKILL it and everything that it started."""
        with contextlib.suppress(ProcessLookupError):  # it may have ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """End it as an orchestrator does; return its exit code."""
        self._process.terminate()
        return self._process.wait(60)

    def ended(self) -> int:
        """Return its exit code once it has ended by itself."""
        return self._process.wait(60)
