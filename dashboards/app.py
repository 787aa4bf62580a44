"""The FastAPI application: pages, JSON API and static files behind a password and a host check."""

from __future__ import annotations

import functools
import gzip
import http
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from plotly import offline
from starlette.exceptions import HTTPException

from dashboards import api, pages, security
from dashboards.host_check import Hosts, OwnPages
from dashboards.login_throttle import LoginAttempts
from features import errors
from monitors.config import MonitorPolicy
from registry.connection import Registry

LOOPBACK: Final = Hosts()
"""This machine's own names."""
_CACHED: Final = "max-age=86400"


def create(
    registry: Registry,
    *,
    password: str,
    hosts: Hosts = LOOPBACK,
    policies: Mapping[str, MonitorPolicy] | None = None,
    attempts: LoginAttempts | None = None,
    reports: Path | None = None,
) -> FastAPI:
    """Return the dashboard's application.

    Parameters
    ----------
    registry
        What the pages read; nothing is written.
    password
        Required of every request, wherever it comes from.
    hosts
        The host names that requests may use.
    policies
        The monitor policies by model, from which incident pages take the minimum effect.
    attempts
        Counts wrong passwords by client and makes clients wait.
    reports
        The folder of the runs' Evidently reports.

    Raises
    ------
    ProjectError
        The password is empty.
    """
    if not password:
        msg = "the dashboard's password is empty"
        raise errors.ProjectError(msg, hint="set one, or leave it to Leeway to make a random one")
    app = FastAPI(title="Leeway", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.state.registry = registry
    app.state.policies = policies or {}
    app.state.reports = reports
    app.include_router(pages.router)
    app.include_router(api.router)
    app.add_api_route("/static/plotly.min.js", plotly_script, include_in_schema=False)
    app.mount("/static", Files(directory=pages.HERE / "static"))
    app.add_exception_handler(errors.LeewayError, _refused)
    app.add_exception_handler(HTTPException, _no_such_page)
    app.add_exception_handler(RequestValidationError, _unreadable)
    # The last one added is the first to see a request.
    app.add_middleware(security.Password, password=password, guesses=attempts or LoginAttempts())
    app.add_middleware(OwnPages, hosts=hosts)
    app.add_middleware(security.SafeHeaders)
    return app


class Files(StaticFiles):
    """The static files of one folder by their plain names; no other path reaches the file system."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Return where the file of this name is, if there is one."""
        names = {entry.name for entry in pages.HERE.joinpath("static").iterdir()}
        return super().lookup_path(path) if path in names else ("", None)


@functools.cache
def _plotly() -> bytes:
    """Return Plotly's script from its package, compressed once (4.6 MB become 1.3)."""
    return gzip.compress(offline.get_plotlyjs().encode(), mtime=0)


def plotly_script(request: Request) -> Response:
    """Serve Plotly's script, so that charts need no other host."""
    headers = {"cache-control": _CACHED, "vary": "accept-encoding"}
    body = _plotly()
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
    else:
        body = gzip.decompress(body)
    return Response(body, media_type="text/javascript", headers=headers)


def _refused(request: Request, error: Exception) -> Response:
    """Answer a `LeewayError` with its message and hint: 404 for NotFound, 503 for all others."""
    status = 404 if isinstance(error, errors.NotFound) else 503
    hint = error.hint if isinstance(error, errors.LeewayError) else ""
    return _problem(request, status, str(getattr(error, "message", error)), hint)


def _no_such_page(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    message = f"There is no page {request.url.path}" if status == 404 else http.HTTPStatus(status).phrase
    return _problem(request, status, message)


def _unreadable(request: Request, error: Exception) -> Response:
    """Answer an address with an invalid part (not a time, an unknown stage) with 404 and the name of that part."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    parts = "; ".join(f"{e['loc'][-1]}: {e['msg']}" for e in problems)
    return _problem(request, 404, f"This address cannot be read ({parts})")


def _problem(request: Request, status: int, message: str, hint: str = "") -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": message, "hint": hint}, status)
    phrase = http.HTTPStatus(status).phrase
    return pages.page(request, "error.html", status, title=phrase, message=message, hint=hint)
