"""Child side of process isolation: runs a pickled function, and sends its result, its error and its progress.

:mod:`retrain_flows.training.trainer_process` is the parent's side.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import threading
import traceback
from multiprocessing import connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from features import errors

_pipe: connection.Connection | None = None
"""In a child: the pipe to its parent."""


def report(message: str) -> None:
    """Report progress from a function that runs in a child process; does nothing elsewhere."""
    if _pipe is not None:
        _pipe.send(("progress", message))


def run(pipe: connection.Connection, payload: bytes, seed: int) -> None:
    """Run a function in the child, and send its result or its error.

    Parameters
    ----------
    pipe
        The child's end of the pipe.
    payload
        The function and its arguments, pickled by the parent.
    seed
        Seed of ``random`` and of numpy's global generator.
    """
    global _pipe  # `report` is called from the user's code
    os.setpgid(0, 0)
    end_with_parent(group=True)
    _pipe = pipe
    random.seed(seed)
    np.random.seed(seed)  # what scikit-learn's `random_state=None` uses
    answer = _answer(payload)
    _flush()
    pipe.send_bytes(answer)


def serve(pipe: connection.Connection) -> None:
    """Run functions in the child as they come, pickled, and answer each; ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    end_with_parent()
    while True:
        try:
            payload = pipe.recv_bytes()
        except EOFError:
            return
        answer = _answer(payload)
        _flush()
        pipe.send_bytes(answer)


def _flush() -> None:
    """Write what was printed: the parent kills this process when it has its answer."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def _answer(payload: bytes) -> bytes:
    """Call the function, and return its result or its error, pickled."""
    try:
        function, args = ForkingPickler.loads(payload)
        result = function(*args)
    except MemoryError:
        answer: tuple[str, Any] = "memory", None
    except errors.LeewayError as error:
        answer = "leeway", (error, traceback.format_exc())
    except Exception as error:
        answer = "error", (f"raised {type(error).__name__}: {error}", traceback.format_exc())
    else:
        answer = "result", result
    try:
        return bytes(ForkingPickler.dumps(answer))
    except Exception as error:
        message = f"returned a {type(answer[1]).__name__} that cannot be pickled: {error}"
        return bytes(ForkingPickler.dumps(("error", (message, traceback.format_exc()))))


def end_with_parent(*, group: bool = False) -> None:
    """Kill this process when its parent ends, however that is; with *group*, all of its process group."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        connection.wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL) if group else os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
