"""Prefect's server with its scheduler mended: Prefect 3.5 was made for SQLAlchemy 2.0, and this project runs on 2.1.

Prefect inserts scheduled runs in bulk with a key `state`, which is a hybrid attribute of the model. SQLAlchemy 2.0
passes over such a key; 2.1 raises unless the attribute says what to do with it, and Prefect counts that error among
those to be tried again in silence. So schedules would be stored and never run. Prefect writes the states itself in its
next statement: here the attribute is told to do nothing.
"""

from __future__ import annotations

from typing import Any

from prefect.server.api import server
from prefect.server.database import orm_models


def create_app() -> Any:
    """Return the server's app with all its services; `uvicorn --factory` calls this."""
    state = vars(orm_models.FlowRun)["state"]
    if hasattr(state, "bulk_dml"):
        state.inplace.bulk_dml(_passed_over)
    return server.create_app(final=True)


def _passed_over(cls: Any, mapping: dict[str, Any], value: Any) -> None:
    """Leave *mapping* as it is."""
