"""Evidently report of a run: the baseline's rows compared with those of the drifted window, as an HTML page.

It is a second opinion: its verdicts are Evidently's own (fixed thresholds, on a sample); Leeway's are in the registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features import errors
from features.events import decode
from features.events.decode import TIME, VERSION
from features.schema import EventSchema, FeatureKind
from features.window import to_ms
from monitors.training_set.period import TrainingPeriod
from registry import queries
from registry.records import RetrainRun
from retrain_flows.data import baseline_rows
from retrain_flows.data.workspace import Workspace

SAMPLE_ROWS = 5000
"""Largest number of rows of each side, evenly spaced in time: the page holds them all, and the same rows each time."""


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared: the baseline rows of a version, and its predictions in [start, end)."""

    version: str
    start: datetime
    end: datetime


def write(ws: Workspace, run: RetrainRun) -> Path:
    """Write the page of a run and return its path, ``html/<model>-run-<id>.html`` in the state folder.

    Raises
    ------
    NotEnoughData
        One side has no rows, or no variable has values on both sides.
    """
    compared = sides(ws, run)
    then, now = _baseline_rows(ws, compared.version), _window_rows(ws, compared)
    path = ws.state / "html" / f"{ws.model}-run-{run.id}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    _page(_frame(ws.schema, then), _frame(ws.schema, now), ws.schema, path)
    return path


def sides(ws: Workspace, run: RetrainRun) -> Sides:
    """Return what led to a run: its incident's version and newest window, or without one the champion's last window."""
    size = ws.schema.windows.size
    decision = queries.decision(ws.registry, run.decision_id)
    if decision.incident_id is not None:
        incident = queries.incident(ws.registry, decision.incident_id)
        return Sides(incident.version, incident.last_seen - size, incident.last_seen)
    replaced = [p.from_version for p in queries.promotions(ws.registry, ws.model) if p.run_id == run.id]
    champion = queries.champion(ws.registry, ws.model)
    version = (replaced and replaced[0]) or (champion.version if champion else "")
    return Sides(version, run.as_of - size, run.as_of)


def _baseline_rows(ws: Workspace, version: str) -> pa.Table:
    """Return the rows of the baseline: as stored by a training, or from the log of a model that is only monitored."""
    at = baseline_rows.place(ws.state, ws.model, version).predictions
    if at.is_dir():
        return decode.read_events(ws.schema, "predictions", at).table
    baseline = queries.baseline_of(ws.registry, ws.model, version)
    if baseline is None:
        return decode.empty(ws.schema, "predictions")
    return _window_rows(ws, Sides(version, baseline.start, baseline.end))


def _window_rows(ws: Workspace, compared: Sides) -> pa.Table:
    """Return the predictions of one side, read part by part: the whole log need not fit in memory."""
    period = TrainingPeriod(ws.schema, to_ms(compared.start), to_ms(compared.end))
    own = [part.filter(pc.field(VERSION) == compared.version) for part in ws.log.predictions(period)]
    return pa.concat_tables([decode.empty(ws.schema, "predictions"), *own])


def _frame(schema: EventSchema, table: pa.Table) -> pd.DataFrame:
    """Return the variables of at most `SAMPLE_ROWS` rows, in order of time."""
    ordered = table.sort_by([(TIME, "ascending"), (decode.ID, "ascending")])
    n = ordered.num_rows
    picked = np.arange(n) if n <= SAMPLE_ROWS else np.linspace(0, n - 1, SAMPLE_ROWS).astype(np.int64)
    frame: pd.DataFrame = ordered.select(list(schema.variables)).take(pa.array(picked)).to_pandas()
    return frame


def _page(then: pd.DataFrame, now: pd.DataFrame, schema: EventSchema, path: Path) -> None:
    """Write Evidently's drift report on the variables that have values on both sides."""
    # Slow to import, and needed for this page only.
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    shared = [name for name in schema.variables if then[name].notna().any() and now[name].notna().any()]
    if not shared:
        msg = f"nothing to compare: {len(then)} rows of the baseline, {len(now)} of the window"
        raise errors.NotEnoughData(msg)
    kinds = {kind: [name for name in shared if schema.variables[name] is kind] for kind in FeatureKind}
    definition = DataDefinition(
        numerical_columns=kinds[FeatureKind.NUMERIC], categorical_columns=kinds[FeatureKind.CATEGORICAL]
    )
    current, baseline = (Dataset.from_pandas(side[shared], data_definition=definition) for side in (now, then))
    # The correlation of a constant column is NaN, which Evidently shows; numpy would warn.
    with np.errstate(divide="ignore", invalid="ignore"):
        Report([DataDriftPreset()]).run(current, baseline).save_html(str(path))
