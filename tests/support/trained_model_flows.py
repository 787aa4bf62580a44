"""Flows of the model to retrain, as `leeway.flows.served` has those of a project; the environment names its folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from retrain_flows.orchestration import child_processes, flows
from retrain_flows.orchestration.model_jobs import Job
from tests.support import trained_model as world


@contextmanager
def open_job(model: str) -> Iterator[Job]:
    """Open the job of the world in the folder that LEEWAY_PROJECT names."""
    child_processes.end_with_server()
    with world.open_job(os.environ["LEEWAY_PROJECT"], model) as job:
        yield job


FLOWS = flows.of(open_job)
react_flow, audit_flow, by_hand_flow = FLOWS.react, FLOWS.audit, FLOWS.by_hand
