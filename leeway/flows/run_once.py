"""React, audit and retrain as a command calls them: on record with Prefect where a server of it runs, else without.

A command needs no server. Where one runs (that of `PREFECT_API_URL`, of the stack, or of `leeway flows serve`), what is
done by hand is seen on its pages among what is done by schedule.
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
    """Carry out a decision about *model* with what is known at *as_of*.

    Raises:
        EngineAway: the Prefect server that is to record it does not answer.
        LeewayError: a step failed; the run is on record as failed.
    """
    with _flows(opened) as flows:
        done: RetrainRun = flows.retrain(model.name, decision_id, as_of)
    return done


def react(opened: Context, model: Model, as_of: datetime | None = None) -> list[Outcome]:
    """Decide about each incident of *model* that waits for it, and carry out what was decided.

    Raises:
        EngineAway: the Prefect server that is to record it does not answer.
        DataError: the events cannot be read at all.
    """
    with _flows(opened) as flows:
        done: list[Outcome] = flows.react(model.name, as_of)
    return done


def audit(opened: Context, model: Model, start: datetime | None = None, end: datetime | None = None) -> AuditResult:
    """Audit [start, end] of *model* in event time; the period that the project file sets, if absent.

    Raises:
        EngineAway: the Prefect server that is to record it does not answer.
    """
    with _flows(opened) as flows:
        done: AuditResult = flows.audit(model.name, start, end)
    return done


@contextmanager
def _flows(opened: Context) -> Iterator[Any]:
    """Yield Prefect's flows of the open project if a server is there, else what does the same."""

    @contextmanager
    def open_job(name: str) -> Iterator[Job]:
        yield assembly.job(opened, opened.model(name))

    there = server.running_already(opened.dir, environment.of_stack(opened.dir))
    if not there:
        yield ByHand(open_job)
        return
    os.environ.update({**server_settings.settings(opened.dir), **there})
    from retrain_flows.orchestration import (  # Prefect reads its settings when it is imported, and takes seconds
        deployments,
        flows,
    )

    server_settings.log_to(opened.dir)
    with deployments.prefect_errors():
        yield flows.of(open_job)
