"""Fast-starting Python executable for PyFlink workers, without importing Beam.

An embedded job's functions run in threads of the process that started the job. For each, PyFlink starts a process
all the same, which asks for the thread and waits; it takes three seconds to import all of Beam, and a batch job does
so a stage after the other. :func:`main` is installed as a program that is Python, except that it gives this one module
the few generated messages that it uses. Where functions run in processes of their own, on a cluster, it has no part.
"""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from pathlib import Path
from types import ModuleType

PROGRAM = "leeway-flink-python"
_BOOT = "pyflink.fn_execution.beam.beam_boot"
_BARE = ("apache_beam", "pyflink", "pyflink.fn_execution")
"""Packages whose own first lines import what the module does not need."""


def executable() -> str:
    """Return the program that an embedded job starts its functions with: Python itself where this is not installed."""
    program = Path(sys.executable).with_name(PROGRAM)
    return str(program) if program.is_file() else sys.executable


def main() -> None:
    """Be Python with the arguments that this process got."""
    arguments = sys.argv[1:]
    if arguments[:2] != ["-m", _BOOT] or "PYTHON_LOOPBACK_SERVER_ADDRESS" not in os.environ:
        os.execv(sys.executable, [sys.executable, *arguments])
    for name in _BARE:
        sys.modules[name] = _bare(name)
    sys.argv = [_BOOT, *arguments[2:]]
    runpy.run_module(_BOOT, run_name="__main__")


def _bare(name: str) -> ModuleType:
    """Return the package *name* without what its own first lines do; what is inside it can be imported."""
    spec = importlib.util.find_spec(name)
    assert spec is not None  # Flink has just asked for what is in it
    module = ModuleType(name)
    module.__spec__, module.__path__ = spec, list(spec.submodule_search_locations or [])
    return module
