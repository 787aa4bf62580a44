"""`leeway` under SIGKILL: each command is a process of its own, which kills itself at one step of one transaction.

The processes are forked from a server that has imported all that a command needs, so that a kill costs milliseconds.
Three things are replaced in them, since they are tested elsewhere and take seconds: baselines are counted without
Flink, models are fitted in the same process, and no Evidently report is drawn.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import sqlalchemy as sa

from leeway import assembly, cli
from monitors.in_process import baselines
from registry.audit_log.heads import Heads
from registry.connection import Registry
from retrain_flows.orchestration import model_jobs

POINTS = ("before it is committed", "before it is signed", "after it")
"""Where in a transaction a process is killed: nothing of it is written, its audit line has no signed head yet, or all
of it is written and nothing that follows."""
SECONDS = 120
PRELOADED = ("tests.support.killed_commands", "tests.support.trained_model", "retrain_flows.gate.gate",
             "retrain_flows.training.static_training", "leeway.flows.run_once")  # fmt: skip


@dataclass(frozen=True)
class Kill:
    """A kill at a point of the process's transaction of a number, the first one being 1."""

    point: str
    number: int


def call(folder: Path, words: tuple[str, ...], kill: Kill | None = None) -> tuple[int, str]:
    """Run `leeway WORDS` in *folder*; return its exit code, minus the signal's number if killed, and what it printed.

    Parameters
    ----------
    folder
        The project's folder.
    words
        The command and its arguments.
    kill
        Where it kills itself; None to let it end.
    """
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(list(PRELOADED))
    process = forks.Process(target=_command, args=(folder, words, kill))
    process.start()
    process.join(SECONDS)
    if process.exitcode is None:
        process.kill()
        pytest.fail(f"leeway {' '.join(words)} did not end")
    return process.exitcode, (folder / "printed.txt").read_text(errors="replace")


def killed_until_done(folder: Path, words: tuple[str, ...], point: str, look: Callable[[], object]) -> tuple[int, str]:
    """Kill a command at its first transaction, the next call at its second, and so on, until a call has fewer.

    Parameters
    ----------
    folder, words
        As of :func:`call`.
    point
        Where in a transaction.
    look
        Called after each kill.

    Returns
    -------
    tuple
        The exit code of the call that ended by itself, and what it printed.
    """
    for number in itertools.count(1):
        code, said = call(folder, words, Kill(point, number))
        if code != -signal.SIGKILL:
            assert number > 1, f"leeway {' '.join(words)} wrote nothing"
            return code, said
        look()
    raise AssertionError


def _command(folder: Path, words: tuple[str, ...], kill: Kill | None) -> None:
    """Be the process of a command."""
    with (folder / "printed.txt").open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(folder)
    os.environ["COLUMNS"] = "200"
    if kill is not None:
        _arm(kill)
    sys.argv = ["leeway", *words]
    without_flink = SimpleNamespace(run=lambda *args, logs, **options: baselines.run(*args, **options))
    with (
        mock.patch.object(assembly, "baseline_job", without_flink),
        mock.patch.object(assembly, "_run_training", lambda training, order, *, limits: training(order)),
        mock.patch.object(model_jobs, "PAGE", lambda ws, run: ws.state / "none.html"),
    ):
        cli.main()


def _arm(kill: Kill) -> None:
    """Let this process kill itself at a point of a transaction that writes."""
    numbers = itertools.count(1)

    def reached(point: str) -> None:
        if point == kill.point and next(numbers) == kill.number:
            os.kill(os.getpid(), signal.SIGKILL)

    @sa.event.listens_for(sa.Engine, "commit")
    def _before_commit(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("writes"):
            reached(POINTS[0])

    sign, write = Heads.add, Registry.write

    def signed(self: Heads, *args: Any) -> None:
        reached(POINTS[1])
        sign(self, *args)

    @contextmanager
    def written(self: Registry, *args: Any, **options: Any) -> Iterator[sa.Connection]:
        with write(self, *args, **options) as c:
            yield c
        reached(POINTS[2])

    _replace(Heads, "add", signed)
    _replace(Registry, "write", written)


def _replace(owner: type, name: str, function: Callable[..., Any]) -> None:
    setattr(owner, name, function)
