"""The dashboard's JSON API: the same view models that the pages show, for programs."""

from __future__ import annotations

from fastapi import APIRouter

from dashboards import load, view_models
from dashboards.incident_page import IncidentPage
from dashboards.pages import Policies, Reg
from dashboards.request_parameters import MaybeMoment, Name, Number, Where

router = APIRouter(prefix="/api", tags=["models"])


@router.get("/models")
def models(reg: Reg) -> tuple[view_models.ModelSummary, ...]:
    """Every model: champion, newest windows, open incidents, last audit."""
    return load.overview(reg)


@router.get("/models/{model}")
def model(reg: Reg, model: Name, segment: Name = "", until: MaybeMoment = None) -> view_models.ModelView:
    """One model: timeline up to `until` with its neighbours' `until`, performance, incidents, runs, versions."""
    return load.model(reg, model, segment=segment, until=until)


@router.get("/models/{model}/incidents")
def incidents(reg: Reg, model: Name) -> tuple[view_models.IncidentView, ...]:
    """All incidents of a model with their decisions: unresolved ones first, then newest first."""
    load.summary(reg, model)
    return load.incidents(reg, model)


@router.get("/models/{model}/incidents/{number}")
def incident(reg: Reg, model: Name, number: Number, known: Policies, until: MaybeMoment = None) -> IncidentPage:
    """One incident: explanations of its first and newest window, evidence and verdicts of windows up to `until`."""
    return load.incident(reg, model, number, until=until, policies=known)


@router.get("/models/{model}/runs")
def runs(reg: Reg, model: Name) -> tuple[view_models.RunView, ...]:
    """All retrains of a model with the gate's checks, newest first."""
    load.summary(reg, model)
    return load.runs(reg, model)


@router.get("/models/{model}/windows/{version}/{stage}/{end}")
def window(
    reg: Reg, model: Name, where: Where, variable: Name | None = None, against: MaybeMoment = None
) -> view_models.WindowView:
    """One window: its findings, and one variable's shares in the baseline, in it, and in the window `against`."""
    return load.window(reg, model, where, variable=variable or None, against=against)
