"""The year as it would have gone: week by week, the champion of the moment predicts, flights land, Leeway reacts.

Honest by construction: a week's predictions are made by the version that was champion when the week began, and written
before anything of that week is known to the monitor; labels appear in the week in which the flights land.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features import scoring
from features.errors import EngineError
from leeway import watch, wiring
from monitors.report import Stage
from registry import queries
from retrain_flows import material, react

WEEK = timedelta(days=7)
PATIENCE_SECONDS = 120


@dataclass
class Replay:
    """A year being replayed. *served* collects what was predicted, beside what the first version would have said."""

    watching: watch.Watch
    flights: pd.DataFrame
    features: list[str]
    react: Callable[[datetime], list[react.Outcome]]
    served: list[pd.DataFrame] = field(default_factory=list)

    def weeks(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, str, list[react.Outcome]]]:
        """Go through [start, end) and yield (end of the week, who predicted, what was done) for each week."""
        with self.watching.live() as take:
            at = start
            while at < end:
                until = min(at + WEEK, end)
                version = self._week(at, until)
                self._settle(take, until)
                yield until, version, self.react(until)
                at = until

    def _week(self, at: datetime, until: datetime) -> str:
        """Write the week's labels and then its predictions: see monitors/files_job.py for why in this order."""
        landed = self.flights[(self.flights["label_time"] >= at) & (self.flights["label_time"] < until)]
        known = landed.sort_values("label_time")[["id", "label_time", "label"]]
        write(self._source("labels"), at, known.rename(columns={"label_time": "time"}))
        rows = self.flights[(self.flights["time"] >= at) & (self.flights["time"] < until)]
        version, first = self._champion(), self._version("v1")
        made = rows.assign(model_version=version.version, prediction=self._score(version, rows))
        columns = ["id", "time", "model_version", *self.features, "prediction"]
        write(self._source("predictions"), at, made[columns])
        compared = made[["id", "time", "model_version", "prediction", "label"]]
        self.served.append(compared.assign(static=self._score(first, rows)))
        return str(version.version)

    def _settle(self, take: Callable[[], int], until: datetime) -> None:
        """Wait until every window that the events so far have closed is in the registry."""
        model, schema = self.watching.model.name, self.watching.model.schema
        newest = self.served[-1]["time"].max().to_pydatetime()
        wanted = {Stage.INPUTS: schema.windows.last_closed(newest),
                  Stage.OUTCOMES: schema.windows.last_closed(newest - schema.label_delay)}  # fmt: skip
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            take()
            have = {stage: queries.newest_window(self.watching.opened.registry, model, stage) for stage in wanted}
            if all(have[stage] is not None and have[stage] >= end for stage, end in wanted.items()):
                return
            time.sleep(0.1)
        msg = f"the windows up to {until:%Y-%m-%d} were not reported within {PATIENCE_SECONDS} s; have {have}"
        raise EngineError(msg, hint=f"see the log in {self.watching.opened.dir / 'logs'}")

    def _champion(self) -> Any:
        registry, model = self.watching.opened.registry, self.watching.model.name
        return self._version(material.champion_of(registry, model).version)

    def _version(self, version: str) -> Any:
        return queries.version(self.watching.opened.registry, self.watching.model.name, version)

    def _score(self, version: Any, rows: pd.DataFrame) -> np.ndarray:
        workspace = wiring.workspace(self.watching.opened, self.watching.model)
        frame = rows[self.features].reset_index(drop=True)
        return scoring.score(material.load(workspace, version), frame, workspace.schema.task)

    def _source(self, role: str) -> Path:
        return Path(getattr(self.watching.model.events, role).path)


def write(directory: Path, at: datetime, rows: pd.DataFrame) -> None:
    """Write *rows* as a file of JSON Lines named for *at*, which appears whole."""
    directory.mkdir(parents=True, exist_ok=True)
    columns = rows.assign(time=[f"{t:%Y-%m-%dT%H:%M:%SZ}" for t in rows["time"]])
    hidden = directory / f".{at:%Y-%m-%d}.jsonl"
    with hidden.open("w") as file:
        for row in columns.to_dict("records"):
            file.write(json.dumps({k: None if pd.isna(v) else v for k, v in row.items()}) + "\n")
    hidden.rename(directory / f"{at:%Y-%m-%d}.jsonl")
