"""The demo's replay: week by week, the current champion predicts, flights land, and Leeway monitors and retrains.

Honest by construction: a week's predictions are made by the version that was champion when the week began, and written
before anything of that week is known to the monitor; labels appear in the week in which the flights land.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import sinks
from prepare import Year
from sinks import Sink

from features import scoring
from features.errors import EngineError
from features.facts import lookup
from features.facts.file_times import FileTimes
from features.window import UTC
from leeway import assembly
from leeway.context import Context
from leeway.project.load import Model
from monitors.finding import Stage
from registry import queries
from retrain_flows import reconcile
from retrain_flows.training import retrain_data

WEEK = timedelta(days=7)
PATIENCE_SECONDS = 300
WEEKS_COMPARED = 4
"""Weeks on which the model with features of facts is compared with one without."""


@dataclass
class Replay:
    """A year being replayed: its events go to *sink*, and *take* has the reports on them taken in.

    *served* collects what was predicted, beside what the first version would have said; *first_weeks* the rows of the
    first weeks with all features.
    """

    opened: Context
    model: Model
    year: Year
    sink: Sink
    take: Callable[[], int]
    react: Callable[[datetime], list[reconcile.Outcome]]
    served: list[pd.DataFrame] = field(default_factory=list)
    first_weeks: list[pd.DataFrame] = field(default_factory=list)
    _times: FileTimes = field(default_factory=FileTimes)
    _loaded: dict[str, Any] = field(default_factory=dict)

    def weeks(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, str, list[reconcile.Outcome]]]:
        """Go through [start, end) and yield (end of the week, who predicted, what was done) for each week."""
        at = start
        while at < end:
            until = min(at + WEEK, end)
            version = self._week(at, until)
            self._settle(version, at, until)
            yield until, version, self.react(until)
            at = until

    def _week(self, at: datetime, until: datetime) -> str:
        """Send the week's labels and then its predictions: in this order, see monitors/flink/files_source_job.py."""
        flights = self.year.flights
        landed = flights[(flights["label_time"] >= at) & (flights["label_time"] < until)]
        known = landed.sort_values("label_time")[["id", "label_time", "label"]]
        self.sink("labels", at, known.rename(columns={"label_time": "time"}))
        sinks.facts(self.model, at, self.year.facts(at, until))
        rows = self._with_facts(flights[(flights["time"] >= at) & (flights["time"] < until)], at, until)
        version, first = self._champion(), self._version("v1")
        made = rows.assign(model_version=version.version, prediction=self._score(version, rows))
        columns = ["id", "time", "model_version", *self.model.schema.features, "prediction"]
        self.sink("predictions", at, made[columns])
        compared = made[["id", "time", "model_version", "prediction", "label", *self.model.schema.segments]]
        if len(self.first_weeks) < WEEKS_COMPARED:
            self.first_weeks.append(made)
        self.served.append(compared.assign(static=self._score(first, rows)))
        return str(version.version)

    def _with_facts(self, rows: pd.DataFrame, at: datetime, until: datetime) -> pd.DataFrame:
        """Return flights with their features of facts: what was known of landings and weather at each departure."""
        facts = lookup.load(self.model.facts, start=at, end=until, now=datetime.now(UTC), times=self._times)
        keys = rows[["carrier", "origin"]].assign(time=rows["time"].dt.as_unit("ms").astype("int64"))
        made = lookup.add_columns(pa.Table.from_pandas(keys, preserve_index=False), facts.values)
        return rows.assign(**{name: made[name].to_numpy() for name in self.model.facts.features})

    def _settle(self, version: str, at: datetime, until: datetime) -> None:
        """Wait until every window of *version* that the events so far have closed is in the registry."""
        schema, newest = self.model.schema, self.served[-1]["time"].max().to_pydatetime()
        wanted = {Stage.INPUTS: schema.windows.last_closed(newest),
                  Stage.OUTCOMES: schema.windows.last_closed(newest - schema.label_delay)}  # fmt: skip
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self.take()
            if all(self._reported(version, stage, at, end) for stage, end in wanted.items()):
                return
            time.sleep(0.1)
        msg = f"the windows up to {until:%Y-%m-%d} were not reported within {PATIENCE_SECONDS} s"
        raise EngineError(msg, hint=f"see the logs under {self.opened.dir}")

    def _reported(self, version: str, stage: Stage, at: datetime, end: datetime) -> bool:
        """Say whether all windows of *version* that end after *at* and by *end* are there, those of segments too.

        Not only the newest: what several subtasks of a job commit, they commit one after the other.
        """
        registry, model, schema = self.opened.registry, self.model.name, self.model.schema
        newest = queries.newest_window(registry, model, stage)
        if newest is None or newest < end:
            return False
        segments = 1 + sum(self.served[-1][name].nunique() for name in schema.segments)
        first = at + schema.windows.slide
        found = queries.windows(registry, model, version=version, stage=stage, since=first, until=end)
        return len(found) >= segments * (1 + (end - first) // schema.windows.slide)

    def _champion(self) -> Any:
        registry, model = self.opened.registry, self.model.name
        return self._version(retrain_data.champion_of(registry, model).version)

    def _version(self, version: str) -> Any:
        return queries.version(self.opened.registry, self.model.name, version)

    def _score(self, version: Any, rows: pd.DataFrame) -> np.ndarray:
        if version.version not in self._loaded:
            self._loaded[version.version] = retrain_data.load(assembly.workspace(self.opened, self.model), version)
        frame = rows[list(self.model.schema.features)].reset_index(drop=True)
        return scoring.score(self._loaded[version.version], frame, self.model.schema.task)
