"""How a flow that runs in a process of its own finds its workspace again, its parameters being text.

Whoever deploys the flow says by import path who opens it, so this room need not import the room that imports it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from features import errors
from retrain_flows.audit import Replay
from retrain_flows.workspace import Workspace


@dataclass(frozen=True)
class Job:
    """What flows work with for one model: its surroundings, and how and how far back its history is counted again.

    *deliver* sends the alerts that are due, and raises nothing because a receiver does not answer.
    """

    workspace: Workspace
    replay: Replay
    audit_period: timedelta
    deliver: Callable[[], object] = bool


class Where(BaseModel):
    """Where a job is to be found: ``opener(project, model)`` returns a context manager that yields it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    opener: str = Field(pattern=r"^[\w.]+:\w+$", description="module:function")
    project: str = Field(description="path of the project file")
    model: str

    def open(self) -> AbstractContextManager[Job]:
        """Return the opened job, to be used in a ``with``.

        Raises:
            ProjectError: there is no such opener.
        """
        module, _, name = self.opener.partition(":")
        try:
            opener: Any = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            msg = f"the flow's opener {self.opener} cannot be imported: {error}"
            raise errors.ProjectError(msg, hint="deploy the flows again with `leeway flows serve`") from error
        opened: AbstractContextManager[Job] = opener(self.project, self.model)
        return opened
