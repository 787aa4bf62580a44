"""The program that serves the flows of the world in LEEWAY_PROJECT, as `leeway flows serve` does a project's.

A file and no text in a test: what is renamed is renamed here too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from features.errors import LeewayError
from retrain_flows.orchestration import deployments, reconcile_state, server_settings
from tests.support import trained_model as world
from tests.support import trained_model_flows


def waiting(models: Sequence[str]) -> dict[str, str | LeewayError]:
    """Return the digest of what waits for each model's reconciler."""
    with world.open_registry(Path(os.environ["LEEWAY_PROJECT"])) as registry:
        return {model: reconcile_state.digest(registry, model) for model in models}


if __name__ == "__main__":
    server_settings.log_to(Path(os.environ["LEEWAY_PROJECT"]) / ".leeway")
    served = deployments.Served(trained_model_flows.FLOWS, trained_model_flows.__name__, ["m"], waiting)
    deployments.serve(served, audit_cron="0 6 * * 1", interval=timedelta(seconds=5))
