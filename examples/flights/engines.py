"""Engines of the demo: in this process with files, or the servers of `leeway up` with Kafka topics.

Everything else is the same code: which flights there are, who predicts, when a week has been judged, who reacts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sinks

from features.window import UTC
from leeway.context import Context
from leeway.project import environment
from leeway.project.load import Model, Project
from leeway.streaming import consume_output
from retrain_flows.orchestration import server

Take = Callable[[], int]


@dataclass(frozen=True)
class Engines:
    """A way to run the demo.

    *servers* has them running, Prefect's among them; *sink* is where events go; in the block of *live* the model is
    being watched, and what it yields takes over the reports that are there.
    """

    file: Path
    servers: Callable[[Path], AbstractContextManager[None]]
    sink: Callable[[Model], sinks.Sink]
    live: Callable[[Context, Model], AbstractContextManager[Take]]
    pages: str

    @property
    def state(self) -> Path:
        """The folder of all that Leeway writes."""
        return Project.load(self.file).state


@contextmanager
def _own_servers(file: Path) -> Iterator[None]:
    with server.running(Project.load(file).state) as os.environ["PREFECT_API_URL"]:
        yield


def _watch(opened: Context, model: Model) -> AbstractContextManager[Take]:
    return consume_output.OutputConsumer(opened, model, clock=lambda: datetime.now(UTC)).live()


@contextmanager
def _stack(file: Path) -> Iterator[None]:
    _leeway(file, "up")
    try:
        os.environ.update(environment.of_stack(Project.load(file).state))
        yield
    finally:
        _leeway(file, "down")


def _watched_by_the_stack(_opened: Context, _model: Model) -> AbstractContextManager[Take]:
    return nullcontext(lambda: 0)  # its service `monitor-late_arrival` takes the reports in


def _leeway(file: Path, command: str) -> None:
    subprocess.run([sys.executable, "-m", "leeway", "--project", str(file), command], check=True)  # noqa: S603 - ours


HERE = Path(__file__).parent
EMBEDDED = Engines(HERE / "leeway.yaml", _own_servers, sinks.files, _watch, "make demo-dashboard")
STACK = Engines(
    HERE / "stack.yaml", _stack, sinks.topics, _watched_by_the_stack, "leeway -p examples/flights/stack.yaml up"
)


def clear(engines: Engines) -> None:
    """Remove what an earlier run has left, and end its servers where they still run."""
    if engines is STACK:
        _leeway(engines.file, "down")
    for folder in (engines.state, HERE / "facts", *([HERE / "events"] if engines is EMBEDDED else [])):
        shutil.rmtree(folder, ignore_errors=True)
