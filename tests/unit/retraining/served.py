"""The flows of a world, as `leeway.served` has those of a project: its folder is in the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from retrain_flows import children, flows
from retrain_flows.job import Job
from tests.unit.retraining import world


@contextmanager
def open_job(model: str) -> Iterator[Job]:
    """Open the job of the world in the folder that LEEWAY_PROJECT names."""
    children.end_with_server()
    with world.open_job(os.environ["LEEWAY_PROJECT"], model) as job:
        yield job


FLOWS = flows.of(open_job)
react_flow, audit_flow, retrain_flow = FLOWS.react, FLOWS.audit, FLOWS.retrain
