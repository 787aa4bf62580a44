"""Prefect's server as a child process: guarded, ending with whoever started it, and with its scheduler mended.

Prefect 3.5 was made for SQLAlchemy 2.0, and this project runs on 2.1. Prefect inserts scheduled runs in bulk with a key
`state`, which is a hybrid attribute of the model. SQLAlchemy 2.0 passes over such a key; 2.1 raises unless the
attribute says what to do with it, and Prefect counts that error among those to be tried again in silence. So schedules
would be stored and never run. Prefect writes the states itself in its next statement: here the attribute does nothing.

Prefect's own check of the secret leaves a socket open (`/api/events/in`) and every path that ends in "health" or
"ready", and looks at no Host: `guard.Guard` stands before it.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Any

from retrain_flows.orchestration import child_processes, server, server_guard

STOP_SECONDS = 5
"""How long open connections are waited for: a page that is left open never ends its own."""


def create_app(port: int) -> server_guard.Guard:
    """Return the server's app with all its services, for whoever knows the secret in the environment.

    Raises:
        KeyError: there is no secret in the environment.
    """
    secret = os.environ["PREFECT_SERVER_API_AUTH_STRING"]
    # Slow to import: by then this process must have been told to end with its parent.
    from prefect.server.api import server as prefect_server
    from prefect.server.database import orm_models

    state = vars(orm_models.FlowRun)["state"]
    if hasattr(state, "bulk_dml"):
        state.inplace.bulk_dml(_passed_over)
    return server_guard.Guard(
        app=prefect_server.create_app(final=True),
        origins=server.origins(port),
        authorization=server.basic(secret),
        open_paths=frozenset({"/api/health", "/api/ready"}),
        asking_sockets=frozenset({"/api/events/out", "/api/logs/out"}),
    )


def main(port: int) -> None:
    """Serve on loopback until told to stop, or until standard input ends: the parent holds its other end open."""
    child_processes.end_with_input()
    import uvicorn

    uvicorn.run(
        partial(create_app, port), factory=True, host="127.0.0.1", port=port, proxy_headers=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )  # fmt: skip


def _passed_over(cls: Any, mapping: dict[str, Any], value: Any) -> None:
    """Leave *mapping* as it is."""


if __name__ == "__main__":
    main(int(sys.argv[1]))
