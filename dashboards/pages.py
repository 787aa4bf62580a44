"""The HTML routes: each loads a view model and renders it with a Jinja template."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import jinja2
from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, HTMLResponse
from fastapi.templating import Jinja2Templates

from dashboards import charts, formatting, incident_page, load
from dashboards.request_parameters import MaybeMoment, Name, Number, Where
from dashboards.security import SANDBOXED
from dashboards.timeline import Address
from features.errors import NotFound
from features.window import UTC
from monitors.config import MonitorPolicy
from monitors.explain.mix_shift import mix_shift_text
from monitors.finding import Signal, Verdict
from registry import queries
from registry.connection import Registry

HERE = Path(__file__).parent

router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)


def registry(request: Request) -> Registry:
    """Return the registry of the application."""
    reg: Registry = request.app.state.registry
    return reg


def policies(request: Request) -> Mapping[str, MonitorPolicy]:
    """Return the monitor policies by model that the application was created with."""
    by_model: Mapping[str, MonitorPolicy] = request.app.state.policies
    return by_model


Policies = Annotated[Mapping[str, MonitorPolicy], Depends(policies)]
Reg = Annotated[Registry, Depends(registry)]


def model_url(model: str, **query: str | datetime | None) -> str:
    """Return the address of a model's page.

    >>> model_url("flights", segment="origin=JFK", until=None)
    '/models/flights?segment=origin%3DJFK'
    """
    return f"/models/{quote(model, safe='')}{_query(query)}"


def window_url(model: str, where: Address, **query: str | datetime | None) -> str:
    """Return the address of a window's page.

    >>> from monitors.finding import Stage
    >>> window_url("flights", Address("v1", Stage.INPUTS, datetime(2013, 8, 4, tzinfo=UTC)), variable="temp")
    '/models/flights/windows/v1/inputs/2013-08-04T00:00:00Z?variable=temp'
    """
    path = f"{quote(where.version, safe='')}/{where.stage.value}/{_iso(where.end)}"
    return f"{model_url(model)}/windows/{path}{_query({'segment': where.segment, **query})}"


def incident_url(model: str, number: int, **query: str | datetime | None) -> str:
    """Return the address of an incident's page.

    >>> incident_url("flights", 3)
    '/models/flights/incidents/3'
    """
    return f"{model_url(model)}/incidents/{number}{_query(query)}"


def _query(values: dict[str, str | datetime | None]) -> str:
    present = {k: _iso(v) if isinstance(v, datetime) else v for k, v in values.items() if v}
    return f"?{urlencode(present)}" if present else ""


def _iso(when: datetime) -> str:
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _environment() -> jinja2.Environment:
    """Return the templates' environment: escaping, strict about unknown names, with the filters that pages use."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "moment": formatting.moment,
        "number": formatting.number,
        "percent": formatting.percent,
        "interval": formatting.interval,
        "iso": _iso,
        "sentence": formatting.sentence,
    }
    env.filters.update(filters)
    env.globals.update(
        tick=formatting.tick,
        link=lambda model: functools.partial(window_url, model),
        stretch=formatting.stretch,
        counted=formatting.counted,
        model_url=model_url,
        window_url=window_url,
        Signal=Signal,
        incident_url=incident_url,
        evidence_chart=charts.evidence,
        scale=incident_page.scale,
        look_scale=incident_page.look_scale,
        mix_shift_text=mix_shift_text,
        window_address=incident_page.window_address,
        details=formatting.details,
        Verdict=Verdict,
        line_chart=charts.line,
        bar_chart=charts.bars,
        verdict_letter=formatting.verdict_letter,
        verdict_text=formatting.verdict_text,
    )
    return env


templates = Jinja2Templates(env=_environment())


def page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return the page that a template makes of *values*."""
    return templates.TemplateResponse(request, name, values, status_code=status)


@router.get("/")
def overview(request: Request, reg: Reg) -> HTMLResponse:
    """Show every model."""
    return page(request, "overview.html", models=load.overview(reg))


@router.get("/models/{model}")
def model(request: Request, reg: Reg, model: Name, segment: Name = "", until: MaybeMoment = None) -> HTMLResponse:
    """Show one model."""
    view = load.model(reg, model, segment=segment, until=until)
    return page(request, "model.html", view=view, model=model, until=until)


@router.get("/models/{model}/incidents/{number}")
def incident(
    request: Request, reg: Reg, model: Name, number: Number, known: Policies, until: MaybeMoment = None
) -> HTMLResponse:
    """Show one incident."""
    view = load.incident(reg, model, number, until=until, policies=known)
    return page(request, "incident.html", view=view, model=model, until=until, signal=view.view.incident.signal)


@router.get("/models/{model}/runs/{number}/evidently")
def evidently(request: Request, reg: Reg, model: Name, number: Number) -> FileResponse:
    """Show the Evidently report of a run, sandboxed: its HTML is made by another program from values of events."""
    if queries.run(reg, number).model != model:
        msg = f"there is no run {number} of {model}"
        raise NotFound(msg, hint=f"choose one on the page of {model}")
    folder: Path | None = request.app.state.reports
    path = folder and folder / f"{model}-run-{number}.html"
    if path is None or not path.is_file():
        msg = f"there is no Evidently report of run {number}"
        raise NotFound(msg, hint="the run had too few rows to compare, or its file has been removed")
    return FileResponse(path, media_type="text/html", headers={"content-security-policy": SANDBOXED})


@router.get("/models/{model}/windows/{version}/{stage}/{end}")
def window(
    request: Request, reg: Reg, model: Name, where: Where, variable: Name | None = None, against: MaybeMoment = None
) -> HTMLResponse:
    """Show one window."""
    view = load.window(reg, model, where, variable=variable or None, against=against)
    return page(request, "window.html", view=view, model=model, where=where)
