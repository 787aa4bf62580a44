"""Main program of the Prefect server: behind a guard, ending with its parent, and with a fix for SQLAlchemy 2.1.

Prefect 3.5 was made for SQLAlchemy 2.0. It inserts scheduled runs in bulk with a key `state`, which is a hybrid
attribute of the model. SQLAlchemy 2.0 ignores such a key; 2.1 raises unless the attribute defines what to do with it,
and Prefect retries that error silently: schedules would be stored and never run. Prefect writes the states itself in
its next statement, so the attribute is defined here to do nothing.

Prefect's own check of the secret leaves open a socket (`/api/events/in`) and all paths that end in "health" or "ready",
and does not check the Host header: :class:`retrain_flows.orchestration.server_guard.Guard` is put in front of it.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Any

from retrain_flows.orchestration import child_processes, server_guard, server_settings

STOP_SECONDS = 5
"""How long the server waits for open connections when it ends: an open page never closes its own."""


def create_app(port: int) -> server_guard.Guard:
    """Return the server's app, behind a guard that asks for the secret in the environment.

    Raises
    ------
    KeyError
        There is no secret in the environment.
    """
    secret = os.environ["PREFECT_SERVER_API_AUTH_STRING"]
    # Slow to import: `main` must first have arranged that this process ends with its parent.
    from prefect.server.api import server as prefect_server
    from prefect.server.database import orm_models

    state = vars(orm_models.FlowRun)["state"]
    if hasattr(state, "bulk_dml"):
        state.inplace.bulk_dml(_passed_over)
    return server_guard.Guard(
        app=prefect_server.create_app(final=True),
        origins=server_settings.origins(port),
        authorization=server_settings.basic(secret),
        open_paths=frozenset({"/api/health", "/api/ready"}),
        asking_sockets=frozenset({"/api/events/out", "/api/logs/out"}),
    )


def main(port: int) -> None:
    """Serve on loopback until SIGTERM, or until standard input ends, whose other end the parent holds open."""
    child_processes.end_with_input()
    import uvicorn

    uvicorn.run(
        partial(create_app, port), factory=True, host="127.0.0.1", port=port, proxy_headers=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )  # fmt: skip


def _passed_over(cls: Any, mapping: dict[str, Any], value: Any) -> None:
    """Change nothing in *mapping*: what SQLAlchemy 2.0 does with a hybrid attribute."""


if __name__ == "__main__":
    main(int(sys.argv[1]))
