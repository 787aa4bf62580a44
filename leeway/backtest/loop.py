"""The loop of a backtest: the project's own registry operations, decisions, gate and promotions, in event time.

Everything but the engine is what runs in production: reports are ingested into a registry (SQLite, in a temporary
folder), the reconciler decides and retrains, the gate and the promotion are the real ones. Only counting needs no
engine, see :mod:`monitors.in_process`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from leeway.backtest import serving
from leeway.backtest.history import History
from leeway.backtest.learner import BacktestLearner
from leeway.backtest.serving import ServedVersion
from leeway.project.load import Model
from monitors.finding import Stage
from monitors.in_process import baselines
from monitors.job_spec import JobSpec
from monitors.report import Report
from registry import queries
from registry.connection import Registry
from registry.incidents import ingest
from registry.incidents.sequential_verdicts import SequentialVerdicts
from registry.records import Champion
from retrain_flows import first_version, reconcile
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import retrain_data

ACTOR = "backtest"


@dataclass(frozen=True, eq=False)
class Backtest:
    """A backtest in the making: the history, the model's settings and the workspace of its temporary registry.

    *learner* is the learner in the stream beside the loop; None where retrains make no online candidate.
    """

    history: History
    model: Model
    workspace: Workspace
    learner: BacktestLearner | None = None

    def run(self, report_progress: Callable[[str], None]) -> pa.Table:
        """Replay the history and return the predictions that were served, in order of time."""
        ws, history = self.workspace, self.history
        first_version.train_and_promote(ws, start=history.start, end=history.cut, actor=ACTOR, now=history.cut)
        judges = SequentialVerdicts({self.model.name: self.model.monitor})
        served, parts = self._served(), list[pa.Table]()
        for at in serving.moments(history):
            self._ingest(served, judges, at)
            if self.learner is not None:
                self.learner.learn(at)
            reconcile.reconcile(ws, now=at, as_of=at)
            champion = self._champion()
            if champion.generation != served.generation:
                parts.append(served.version.answers(champion.since))
                served = self._served()
            report_progress(f"{at:%Y-%m-%d}: {champion.version} serves")
        return pa.concat_tables([*parts, served.version.answers(history.end)])

    def _ingest(self, served: Serving, judges: SequentialVerdicts, at: datetime) -> None:
        """Store the reports on the windows that close at a moment."""
        reports = list(self._reports(served, at))
        rules = ingest.Rules(self.model.incidents, self.model.signals.ignored)
        ingest.ingest(self.workspace.registry, reports, now=at, rules=rules, judge=judges.judge)

    def _reports(self, served: Serving, at: datetime) -> Iterator[Report]:
        cut = self.model.schema.windows
        for stage, wait in ((Stage.INPUTS, 0 * cut.slide), (Stage.OUTCOMES, self.model.schema.label_delay)):
            end = cut.last_closed(at - wait)
            if end > served.version.since:
                yield from served.version.reports(served.spec, stage, end)

    def _champion(self) -> Champion:
        return retrain_data.champion_of(self.workspace.registry, self.model.name)

    def _served(self) -> Serving:
        """Return the champion as it serves from now on."""
        ws, champion = self.workspace, self._champion()
        version = queries.version(ws.registry, ws.model, champion.version)
        baseline = queries.baseline_of(ws.registry, ws.model, champion.version)
        assert baseline is not None  # no version becomes champion without one
        served = ServedVersion(self.history, version.version, retrain_data.load(ws, version), baseline.frozen,
                               champion.since)  # fmt: skip
        spec = JobSpec(ws.schema, ws.monitor, str(ws.state / "baselines" / ws.model))
        return Serving(served, champion.generation, spec)


@dataclass(frozen=True, eq=False)
class Serving:
    """A champion of one generation, as it serves."""

    version: ServedVersion
    generation: int
    spec: JobSpec


@contextmanager
def opened(history: History, model: Model, folder: Path) -> Iterator[Backtest]:
    """Yield a backtest with a registry of its own; *folder* is where trainers are imported from."""
    with TemporaryDirectory(prefix="leeway-backtest-") as state:
        root = Path(state)
        with Registry.open(f"sqlite:///{root / 'leeway.db'}", root / "artifacts") as registry:
            ws = Workspace(
                registry=registry, schema=model.schema, events=model.events, monitor=model.monitor,
                signals=model.signals, retrain=model.retrain, project_dir=folder, state=root,
                build_baseline=baselines.run, event_log=history.log, incidents=model.incidents,
            )  # fmt: skip
            learner = BacktestLearner(history, ws) if "online" in ws.trainers.trainers else None
            yield Backtest(history, model, ws, learner)
