"""Child processes that end with their parent, also when the parent was killed and could not stop them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

PARENT_PID_VARIABLE: Final = "LEEWAY_SERVED_BY"
"""Environment variable with the process id of the serving process, for the processes of its runs."""
POLL_SECONDS = 1.0
"""How often a run's process looks whether its parent is still there."""
GRACE_SECONDS = 10.0
"""How long a process may take to end after SIGTERM before it is killed."""


def end_with_input() -> None:
    """End this process when its standard input ends: if the parent dies, the system closes its end of the pipe."""
    _end_after(lambda: sys.stdin.buffer.read())


def end_with_server() -> None:
    """End this process when its parent ends, if it is a run of the serving process named by the environment."""
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
    os.kill(os.getpid(), signal.SIGKILL)  # it did not end by itself
