"""Runs reconcile, audit and retrain once for a command: as Prefect flows where a server runs, else directly.

A command needs no server. Where one runs (that of `PREFECT_API_URL`, of the stack, or of `leeway flows serve`), manual
runs are on its pages among the scheduled ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from leeway import assembly
from leeway.context import Context
from leeway.project import environment
from leeway.project.load import Model
from registry.records import AuditResult, RetrainRun
from retrain_flows.orchestration import server, server_settings
from retrain_flows.orchestration.model_jobs import ByHand, Job
from retrain_flows.reconcile import Outcome


def retrain(opened: Context, model: Model, decision_id: int, as_of: datetime | None = None) -> RetrainRun:
    """Carry out a decision about *model* with what was known at *as_of* in event time.

    Raises
    ------
    EngineAway
        The Prefect server does not answer.
    LeewayError
        A step failed; the run is recorded as failed.
    """
    with _flows(opened) as flows:
        done: RetrainRun = flows.retrain(model.name, decision_id, as_of)
    return done


def react(opened: Context, model: Model, as_of: datetime | None = None) -> list[Outcome]:
    """Decide each undecided incident of *model* and carry out the decisions.

    Raises
    ------
    EngineAway
        The Prefect server does not answer.
    DataError
        The events cannot be read.
    """
    with _flows(opened) as flows:
        done: list[Outcome] = flows.react(model.name, as_of)
    return done


def audit(opened: Context, model: Model, start: datetime | None = None, end: datetime | None = None) -> AuditResult:
    """Audit [start, end] of *model* in event time, by default the period of the project file.

    Raises
    ------
    EngineAway
        The Prefect server does not answer.
    """
    with _flows(opened) as flows:
        done: AuditResult = flows.audit(model.name, start, end)
    return done


@contextmanager
def _flows(opened: Context) -> Iterator[Any]:
    """Yield the Prefect flows of the open project if a server runs, else functions that do the same."""

    @contextmanager
    def open_job(name: str) -> Iterator[Job]:
        yield assembly.job(opened, opened.model(name))

    there = server.running_already(opened.dir, environment.of_stack(opened.dir))
    if not there:
        yield ByHand(open_job)
        return
    os.environ.update({**server_settings.settings(opened.dir), **there})
    from retrain_flows.orchestration import (  # Prefect reads its settings when it is imported, and takes seconds
        flows,
        prefect_outage,
    )

    server_settings.log_to(opened.dir)
    with prefect_outage.prefect_errors():
        yield flows.of(open_job)
