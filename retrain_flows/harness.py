"""Prefect's server as a child process: it ends with whoever started it, and its scheduler is mended.

Prefect 3.5 was made for SQLAlchemy 2.0, and this project runs on 2.1. Prefect inserts scheduled runs in bulk with a key
`state`, which is a hybrid attribute of the model. SQLAlchemy 2.0 passes over such a key; 2.1 raises unless the
attribute says what to do with it, and Prefect counts that error among those to be tried again in silence. So schedules
would be stored and never run. Prefect writes the states itself in its next statement: here the attribute does nothing.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

import uvicorn
from prefect.server.api import server
from prefect.server.database import orm_models


def create_app() -> Any:
    """Return the server's app with all its services."""
    state = vars(orm_models.FlowRun)["state"]
    if hasattr(state, "bulk_dml"):
        state.inplace.bulk_dml(_passed_over)
    return server.create_app(final=True)


def main(port: int) -> None:
    """Serve on loopback until told to stop, or until standard input ends: the parent holds its other end open."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    uvicorn.run(create_app, factory=True, host="127.0.0.1", port=port)


def _passed_over(cls: Any, mapping: dict[str, Any], value: Any) -> None:
    """Leave *mapping* as it is."""


def _end_with_parent() -> None:
    # Also when it was killed and could not tell: the system closes its end of the pipe.
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(int(sys.argv[1]))
