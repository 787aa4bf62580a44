"""Cause of a retrain: the schedule, a person, or an incident. Candidates of one cause share their evidence."""

from __future__ import annotations

from registry import queries
from registry.records import RetrainRun
from retrain_flows.data.workspace import Workspace

SCHEDULE = "schedule"
"""The actor of a decision that no incident called for."""
BY_HAND = "by hand"
"""The cause of a retrain that a person started."""


def of(ws: Workspace, run: RetrainRun) -> str:
    """Return what a run is for: of several open incidents the first that the champion was to be replaced for.

    Incidents that are open side by side are one change of the world as a rule, so what the candidates for one have
    shown counts for the next.
    """
    decision = queries.decision(ws.registry, run.decision_id)
    if decision.incident_id is not None:
        return f"incident {min({decision.incident_id, *_retrained_for(ws)})}"
    return decision.actor if decision.actor == SCHEDULE else BY_HAND


def _retrained_for(ws: Workspace) -> set[int]:
    """Return the open incidents of the champion's version that retrains were made for."""
    champion = queries.champion(ws.registry, ws.model)
    made = {run.decision_id for run in queries.runs(ws.registry, ws.model)}
    causes = {d.incident_id for d in queries.decisions(ws.registry, ws.model) if d.id in made}
    live = queries.open_incidents(ws.registry, ws.model)
    return {i.id for i in live if i.id in causes and champion is not None and i.version == champion.version}
