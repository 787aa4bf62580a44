"""Entry points of Prefect deployments: the flows of the project that ``LEEWAY_PROJECT`` names.

`leeway flows serve` sets the variable for the processes that it starts; a work pool's worker sets its own. Slow to
import, as Prefect is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from features.errors import ProjectError
from leeway import assembly
from leeway.project import environment
from retrain_flows.orchestration import child_processes, flows, server_settings
from retrain_flows.orchestration.model_jobs import Job


@contextmanager
def open_job(model: str) -> Iterator[Job]:
    """Open the job of *model* in the project that the environment names.

    Raises
    ------
    ProjectError
        The environment names no project.
    NotFound
        The project has no such model.
    """
    project = os.environ.get(environment.PROJECT)
    if not project:
        msg = f"this process serves no project: {environment.PROJECT} is not set"
        raise ProjectError(msg, hint="serve the flows with `leeway flows serve`, or set it for the pool's worker")
    child_processes.end_with_server()
    with assembly.open_job(Path(project), model) as job:
        server_settings.log_to(job.workspace.state)
        yield job


FLOWS: Final = flows.of(open_job)
react_flow, audit_flow, by_hand_flow, retrain_flow = FLOWS.react, FLOWS.audit, FLOWS.by_hand, FLOWS.retrain
