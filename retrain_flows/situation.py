"""The situation that decisions about all of a model's incidents rest on, as it is on record."""

from __future__ import annotations

from datetime import datetime

from registry import queries
from registry.faulty_periods import faulty_periods
from registry.records import RunState
from registry.views import loss_precedence
from retrain_flows import past_runs
from retrain_flows.data.workspace import Workspace
from retrain_flows.decide import Situation
from retrain_flows.training import trial_series


def read(ws: Workspace, as_of: datetime) -> Situation:
    """Return the situation at a moment in event time, with as many matured rows as a retrain needs.

    Rows are not counted here, as that reads all events.
    """
    last, failure = past_runs.last_retrain(ws)
    on_trial = max(queries.unfinished(ws.registry, ws.model, RunState.HELD), key=lambda run: run.as_of, default=None)
    return Situation(
        now=as_of,
        matured_until=as_of - ws.schema.label_delay,
        matured_rows=ws.retrain.min_rows if ws.retrain else 0,
        faulty=tuple((p.start, p.end) for p in faulty_periods(ws.registry, ws.model)),
        running=queries.running(ws.registry, ws.model) is not None,
        last_retrain=last,
        trial=on_trial.as_of if on_trial else None,
        trial_loss_rise=trial_series.loss_rise(trial_series.looks_of(ws.registry, on_trial)) if on_trial else 0.0,
        last_failure=failure,
        tried=past_runs.last_training(ws),
        slide=ws.schema.windows.slide,
        window=ws.schema.windows.slices,
        clear_after=ws.incidents.clear_after,
        precedence=loss_precedence.read(ws.registry, ws.model, ws.schema.windows.size),
    )
