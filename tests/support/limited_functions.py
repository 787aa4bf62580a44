"""Functions to run in a child process with limits: they hang, take memory, raise, end their process, or behave."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from features import errors
from retrain_flows.training import trainer_child, trainer_process


def hang(path: str) -> None:
    """Start a child that hangs, write its process id to *path*, and hang."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(path, "w") as file:  # noqa: PTH123 - renamed by nobody, read by the test
        file.write(f"{os.getpid()} {child.pid}")
    time.sleep(600)


def fill(megabytes: int) -> int:
    """Fill memory, ten megabytes at a time, and return how much."""
    blocks = []
    for _ in range(megabytes // 10):
        blocks.append(np.ones(10_000_000, np.uint8))
        time.sleep(0.01)
    return len(blocks)


def fill_by_child(megabytes: int) -> None:
    """Fill the memory of a process that this one starts."""
    code = f"import time; x = bytearray({megabytes}_000_000); x[::4096] = b'1' * len(x[::4096]); time.sleep(600)"
    subprocess.run([sys.executable, "-c", code], check=False)


def no_memory() -> None:
    """Ask for more than there is."""
    raise MemoryError


def raise_key_error() -> None:
    """Raise as a user's trainer may."""
    msg = "distance"
    raise KeyError(msg)


def raise_not_enough_data() -> None:
    """Raise an error of Leeway's, with a hint."""
    msg = "3 rows are too few"
    raise errors.NotEnoughData(msg, hint="wait")


def leave(code: int) -> None:
    """End the process without a word to its parent."""
    os._exit(code)


def crash() -> None:
    """End the process as a fault in compiled code does."""
    os.kill(os.getpid(), signal.SIGSEGV)


def draw() -> tuple[float, float]:
    """Return a number of each global generator."""
    return random.random(), float(np.random.random())


def write(text: str) -> None:
    """Write to standard output, and leave it in the buffer."""
    sys.stdout.write(text)


def unpicklable() -> Any:
    """Return something that cannot be pickled."""
    return threading.Lock()


def of_a_module_in(folder: str) -> Any:
    """Return an object of a class in a module that only this process can import."""
    sys.path.append(folder)
    return importlib.import_module("only_in_the_child").Thing()


def report_twice(messages: list[str]) -> int:
    """Report progress and return the process id."""
    for message in messages:
        trainer_child.report(message)
    return os.getpid()


def hang_alone(path: str) -> None:
    """Write this process's id to *path*, and hang."""
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)


def hang_in_pool(path: str) -> None:
    """Run `hang_alone` in the worker of a pool that ends with this process."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=trainer_child.end_with_parent) as pool:
        pool.submit(hang_alone, path).result()


def inner(path: str) -> None:
    """Run `hang` in a child of this process."""
    trainer_process.run_limited(hang, path, limits=trainer_process.Limits())
