"""A model whose champion began with a short baseline: its days as window reports, and the registry they come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from features.schema import Events, Source
from features.window import to_ms
from monitors.baseline.baseline import Baseline, Slice
from monitors.finding import Stage
from monitors.in_process import windows
from monitors.job_spec import JobSpec
from monitors.report import Report
from registry import operations
from registry.connection import Registry
from registry.files import published_baselines
from registry.incidents import ingest
from registry.incidents.sequential_verdicts import SequentialVerdicts
from registry.records import Version
from retrain_flows.config import Signals
from retrain_flows.data.workspace import Workspace
from tests.support import stationary_reports as world
from tests.support import trained_model

DAY, START = world.DAY, world.START


@dataclass
class ShortBaseline:
    """The champion `v1` of `m`, whose baseline is *days* days long; each day that is *served* is one more slice."""

    registry: Registry
    folder: Path
    days: int = 7
    seed: int = 1
    rows: int = 700
    name: str = "m"
    verdicts: SequentialVerdicts = field(init=False)
    day: int = field(init=False)

    def __post_init__(self) -> None:
        """Register and publish the baseline, and make its version the champion."""
        self.rng = np.random.default_rng(self.seed)
        made = world.baseline(world.days(self.rng, self.days, self.rows))
        events = made.events.model_copy(update={"model": self.name})
        self.baseline = made.model_copy(update={"events": events})
        self.day, self.verdicts = self.days, SequentialVerdicts({self.name: world.POLICY})
        operations.add_model(self.registry, model=self.name, task="binary", now=START)
        self.register(self.baseline, 0)

    def register(self, baseline: Baseline, generation: int) -> None:
        """Make the version of a baseline champion after one of a generation."""
        version = Version(model=self.name, version=baseline.version, mode="external", created_at=START)
        operations.add_version(self.registry, version)
        operations.store_baseline(self.registry, baseline, now=START)
        published_baselines.publish_baseline(baseline, self.state / "baselines")
        operations.promote(self.registry, model=self.name, version=baseline.version, expected_generation=generation,
                           effective_at=self.now, actor="ann", reason="better", now=START)  # fmt: skip

    @property
    def state(self) -> Path:
        """The folder for all that Leeway writes."""
        return self.folder / ".leeway"

    @property
    def now(self) -> datetime:
        """The event time that has been reached."""
        return START + self.day * DAY

    @property
    def spec(self) -> JobSpec:
        """What a monitoring job knows of the model."""
        return JobSpec(self.baseline.events, world.POLICY, str(self.state / "baselines" / self.name), digests={})

    @property
    def workspace(self) -> Workspace:
        """The workspace of a model that is only monitored."""
        events = Events(predictions=Source(path="/none"), labels=Source(path="/none"))
        return Workspace(registry=self.registry, schema=self.baseline.events, events=events, monitor=world.POLICY,
                         signals=Signals(), retrain=None, project_dir=self.folder, state=self.state,
                         build_baseline=trained_model.stub_baseline)  # fmt: skip

    def report(self, by: float = 0.0) -> Report:
        """Return the report on the next day, whose x is shifted *by* so much."""
        rows = world.days(self.rng, 1, self.rows, world.shift("x", by))[0]
        counts = world.count(self.baseline.bins, rows)  # type: ignore[arg-type]
        (made,) = windows.reports(self.spec, "v1", Stage.INPUTS, [Slice(start=to_ms(self.now), counts=counts)])
        return made

    def serve(self, days: int = 1, by: float = 0.0) -> None:
        """Let days pass, each judged and stored; x is shifted *by* so much."""
        for _ in range(days):
            made = self.report(by)
            self.day += 1
            ingest.ingest(self.registry, [made], now=self.now, judge=self.verdicts.judge)
