"""The pages' data as JSON, for programs: the same views, under the same names."""

from __future__ import annotations

from fastapi import APIRouter

from dashboards import reads, views
from dashboards.asked import MaybeMoment, Name, Number, Where
from dashboards.explained import IncidentPage
from dashboards.pages import Policies, Reg

router = APIRouter(prefix="/api", tags=["models"])


@router.get("/models")
def models(reg: Reg) -> tuple[views.ModelSummary, ...]:
    """Every model: champion, newest windows, open incidents, last audit."""
    return reads.overview(reg)


@router.get("/models/{model}")
def model(reg: Reg, model: Name, segment: Name = "", until: MaybeMoment = None) -> views.ModelView:
    """One model: timeline up to `until` with its neighbours' `until`, performance, incidents, runs, versions."""
    return reads.model(reg, model, segment=segment, until=until)


@router.get("/models/{model}/incidents")
def incidents(reg: Reg, model: Name) -> tuple[views.IncidentView, ...]:
    """All incidents of a model with their decisions: those that go on first, then newest first."""
    reads.summary(reg, model)
    return reads.incidents(reg, model)


@router.get("/models/{model}/incidents/{number}")
def incident(reg: Reg, model: Name, number: Number, known: Policies, until: MaybeMoment = None) -> IncidentPage:
    """One incident: the accounts of its first and newest window, and evidence and verdicts of windows up to `until`."""
    return reads.incident(reg, model, number, until=until, policies=known)


@router.get("/models/{model}/runs")
def runs(reg: Reg, model: Name) -> tuple[views.RunView, ...]:
    """All retrains of a model with the gate's checks, newest first."""
    reads.summary(reg, model)
    return reads.runs(reg, model)


@router.get("/models/{model}/windows/{version}/{stage}/{end}")
def window(
    reg: Reg, model: Name, where: Where, variable: Name | None = None, against: MaybeMoment = None
) -> views.WindowView:
    """One window: its findings, and one variable's shares in the baseline, in it, and in the window `against`."""
    return reads.window(reg, model, where, variable=variable or None, against=against)
