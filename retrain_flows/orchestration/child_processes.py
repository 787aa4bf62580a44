"""Processes that end with whoever started them, also when that one was killed and could not tell them to."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

PARENT_PID_VARIABLE: Final = "LEEWAY_SERVED_BY"
"""The variable that tells a run's process which one serves it, by process id."""
POLL_SECONDS = 1.0
GRACE_SECONDS = 10.0


def end_with_input() -> None:
    """End this process when its standard input ends: the system closes the parent's end of the pipe."""
    _end_after(lambda: sys.stdin.buffer.read())


def end_with_server() -> None:
    """End this process when the one that serves it ends, if it is a run of one that left its number in `PARENT`."""
    parent = os.environ.get(PARENT_PID_VARIABLE, "")

    def wait() -> None:
        while os.getppid() == int(parent):
            time.sleep(POLL_SECONDS)

    if parent:
        _end_after(wait)


def _end_after(wait: Callable[[], object]) -> None:
    threading.Thread(target=_end, args=(wait,), daemon=True).start()


def _end(wait: Callable[[], object]) -> None:
    wait()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)  # it hangs in ending
