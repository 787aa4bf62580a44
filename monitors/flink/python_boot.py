"""Fast-starting Python executable for PyFlink workers, without importing Beam.

An embedded job's functions run in threads of the process that started the job. For each, PyFlink still starts a
process, which requests the thread and waits; it takes three seconds to import all of Beam, and a batch job does so
stage after stage. :func:`main` is installed as a program that is Python, except that it gives this one module the few
generated messages that it uses. On a cluster, where functions run in processes of their own, it is not used.
"""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from pathlib import Path
from types import ModuleType

PROGRAM = "leeway-flink-python"
"""Name of the installed program."""
_BOOT = "pyflink.fn_execution.beam.beam_boot"
_BARE = ("apache_beam", "pyflink", "pyflink.fn_execution")
"""Packages whose `__init__` imports what the module does not need."""


def executable() -> str:
    """Return the program with which an embedded job starts its functions: Python itself where it is not installed."""
    program = Path(sys.executable).with_name(PROGRAM)
    return str(program) if program.is_file() else sys.executable


def main() -> None:
    """Run Python with this process's arguments."""
    arguments = sys.argv[1:]
    if arguments[:2] != ["-m", _BOOT] or "PYTHON_LOOPBACK_SERVER_ADDRESS" not in os.environ:
        os.execv(sys.executable, [sys.executable, *arguments])
    for name in _BARE:
        sys.modules[name] = _bare(name)
    sys.argv = [_BOOT, *arguments[2:]]
    runpy.run_module(_BOOT, run_name="__main__")


def _bare(name: str) -> ModuleType:
    """Return the package *name* without running its `__init__`; its modules can be imported."""
    spec = importlib.util.find_spec(name)
    assert spec is not None  # Flink has just asked for what is in it
    module = ModuleType(name)
    module.__spec__, module.__path__ = spec, list(spec.submodule_search_locations or [])
    return module
