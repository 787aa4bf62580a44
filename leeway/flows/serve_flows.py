"""Serves a project's flows to Prefect for scheduled runs; one process for each project."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path

from features.errors import EngineError
from features.files import lock_file
from leeway import assembly
from leeway.project import environment
from leeway.project.load import Project
from retrain_flows.orchestration import server, server_settings


def serve(project: Project, interval: timedelta, say: Callable[[str], None]) -> None:
    """Serve the flows of all models of *project* until interrupted.

    Prefect's server is that of ``PREFECT_API_URL`` or of the running stack, else one that ends with this process.

    Parameters
    ----------
    project
        The project whose flows are served.
    interval
        How often incidents are looked for.
    say
        Called with a line about Prefect's pages and the login.

    Raises
    ------
    EngineError
        Another process serves them, or the server refuses or ends before it answers.
    EngineAway
        The server does not answer.
    """
    state = project.state
    os.environ[environment.PROJECT] = str(project.path)  # how the runs, which are processes of their own, find it
    with _alone(state / "locks" / "flows.lock"):
        os.environ.update(server.running_already(state, environment.of_stack(state)))
        os.environ.update(server_settings.settings(state))
        with server.watched(state) as (os.environ[server_settings.URL], revive):
            from leeway.flows import served  # Prefect reads its settings when it is imported
            from retrain_flows.orchestration import deployments

            server_settings.log_to(state)
            say(_serving(project))
            what = deployments.Served(
                served.FLOWS, served.__name__, list(project.models), partial(assembly.waiting, project.path),
                say, revive,
            )  # fmt: skip
            deployments.serve(what, audit_cron=project.audit.schedule, interval=interval)


def _serving(project: Project) -> str:
    own = os.environ.get(server_settings.AUTH) == server_settings.secret(project.state)
    login = f" (log in with what is in {server_settings.secret_path(project.state)})" if own else ""
    pages = os.environ[server_settings.URL].removesuffix("/api")
    return f"Serving {', '.join(project.models)}; pages at {pages}{login}. Ctrl-C stops."


def _alone(path: Path) -> AbstractContextManager[None]:
    """Hold the lock file *path*: a second process would take the first one's runs for those of a dead process."""
    msg = "another process serves the flows of this project already"
    hint = "end that one first; `leeway up` serves them too, unless `stack.flows` is no"
    return lock_file.exclusive(path, EngineError(msg, hint=hint))
