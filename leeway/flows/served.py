"""The flows of the project that this process serves: what Prefect may run, by these names alone.

`leeway flows serve` leaves the project's path in the environment of what it starts; a worker of a pool has it in its
own. Slow to import, as Prefect is.
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
    """Open what the flows of *model* work with, in the project that the environment names.

    Raises:
        ProjectError: it names none.
        NotFound: the project has no such model.
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
react_flow, audit_flow, retrain_flow = FLOWS.react, FLOWS.audit, FLOWS.retrain
