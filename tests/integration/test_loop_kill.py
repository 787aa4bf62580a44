"""`leeway` under SIGKILL at each step of each state of the loop: called again, it ends as if nothing had happened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from leeway import assembly, context
from leeway.terminal.exit_codes import ExitCode
from monitors.finding import Signal
from monitors.in_process import baselines
from registry import operations, queries
from registry.records import Action
from retrain_flows import reconcile, retrain
from retrain_flows.data.workspace import Workspace
from retrain_flows.retrain import RetrainRequest
from tests.support import killed_commands, loop_invariants
from tests.support import trained_model as world
from tests.support.command_line import printed

pytestmark = pytest.mark.slow

PROJECT = """\
project: killed
models:
  m:
    task: binary
    events: {{predictions: {{path: predictions}}, labels: {{path: labels}}}}
    label_delay: 1d
    features: {{x: numeric, c: categorical}}
    segments: [c]
    windows: {{size: 7d, slide: 1d}}
    signals: {{performance: {performance}}}
    incidents: {{fault_patience: 14d, lasting_fault: {lasting_fault}}}
    retrain:
      trainer: "tests.support.trained_model:{trainer}"
      window: 30d
      evaluation: 14d
      min_rows: 200
      decide: {decide}
      schedule: {{{schedule}}}
      gate: {{min_rows: 100, {gate}}}
"""
USUAL = {"performance": "retrain", "lasting_fault": "ask", "trainer": "static", "decide": "act", "schedule": "",
         "gate": "confidence: 0.95"}  # fmt: skip
SURE, LENIENT = "confidence: 0.999999999999", "margin: 100, segment_margin: 100, calibration_margin: 1"
EARLY = world.START + (world.TURN + 5) * world.DAY
REACT = ("react", "--as-of", f"{world.AS_OF:%Y-%m-%d}")
BECAUSE = ("--because", "a drill", "--actor", "ann")


@dataclass(frozen=True)
class State:
    """A state of the loop, and the command that leads out of it.

    Parameters
    ----------
    prepare
        What is on record before, made under the settings *before*.
    words
        The command.
    ends
        States of the runs, kinds of the promotions and actions of the decisions after it.
    before, settings
        Where the project file differs from `USUAL`, before and at the command.
    points
        Where in each transaction it is killed; where it trains, one of them, since each call trains again.
    """

    prepare: Callable[[Workspace], object]
    ends: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    words: tuple[str, ...] = REACT
    before: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    points: tuple[str, ...] = killed_commands.POINTS


def retrained(ws: Workspace, as_of: Any = EARLY, *, drift_on: int | None = None) -> None:
    """Retrain by hand, or for an incident of a day."""
    incident = None if drift_on is None else world.drift(ws, day=drift_on)[0].id
    decision = operations.record_decision(ws.registry, model="m", incident_id=incident, action=Action.RETRAIN,
                                          because=["x"], actor="ann", now=world.NOW)  # fmt: skip
    retrain.run(ws, RetrainRequest(decision, as_of, world.NOW))


def reacted(ws: Workspace) -> None:
    """Let the reconciler act on drift."""
    world.drift(ws)
    reconcile.reconcile(ws, now=world.NOW, as_of=world.AS_OF)


BEFORE, AFTER = (killed_commands.POINTS[0],), (killed_commands.POINTS[2],)
trial = partial(retrained, drift_on=34)
fault = partial(world.drift, day=34)
STATES = {
    "a trial's look passes": State(trial, (("promoted",), ("bootstrap", "promote"), ("promote", "retrain"))),
    "a trial's look passes and approval is asked for": State(
        retrained, (("held",), ("bootstrap",), ("promote", "retrain")), settings=(("decide", "ask"),), points=AFTER
    ),
    "a trial's look fails": State(
        retrained, (("rejected",), ("bootstrap",), ("promote", "retrain")), before=(("trainer", "wrong"),), points=AFTER
    ),
    "the schedule's candidate supersedes a trial": State(
        retrained, (("rejected", "held"), ("bootstrap",), ("promote", "retrain", "retrain")), before=(("gate", SURE),),
        settings=(("gate", SURE), ("schedule", "interval: 5d")), points=AFTER,
    ),
    "the schedule's candidate is promoted": State(
        bool, (("promoted",), ("bootstrap", "promote"), ("promote", "retrain")),
        settings=(("schedule", "interval: 5d"),), points=BEFORE,
    ),
    "a later candidate takes the place of one that waits for approval": State(
        partial(retrained, as_of=world.START + 50 * world.DAY),
        (("rejected", "held"), ("bootstrap",), ("promote", "retrain", "retrain")),
        before=(("decide", "ask"),), settings=(("decide", "ask"), ("schedule", "interval: 5d")), points=AFTER,
    ),
    "a decision is revised to a retrain": State(
        reacted, (("promoted",), ("bootstrap", "promote"), ("promote", "nothing", "retrain")),
        before=(("performance", "alert"),), points=BEFORE,
    ),
    "a watch rolls back": State(
        partial(retrained, as_of=world.START + 40 * world.DAY),
        (("promoted",), ("bootstrap", "promote", "rollback"), ("promote", "retrain", "roll_back")),
        before=(("trainer", "wrong"), ("gate", LENIENT)),
    ),
    "somebody approves": State(
        reacted, (("promoted",), ("bootstrap", "promote"), ("promote", "retrain")),
        ("promote", "v2", *BECAUSE), before=(("decide", "ask"),), settings=(("decide", "ask"),),
    ),
    "somebody refuses": State(
        reacted, (("rejected",), ("bootstrap",), ("promote", "retrain")),
        ("refuse", "v2", *BECAUSE), before=(("decide", "ask"),), settings=(("decide", "ask"),),
    ),
    "somebody rolls back": State(
        reacted, (("promoted",), ("bootstrap", "promote", "rollback"), ("promote", "retrain")),
        ("rollback", *BECAUSE),
    ),
    "somebody accepts a fault as drift": State(
        lambda ws: fault(ws, Signal.QUALITY), ((), ("bootstrap",), ("promote", "nothing")),
        ("incidents", "accept", "1", "--as", "drift", *BECAUSE),
    ),
    "a lasting fault becomes drift": State(
        lambda ws: fault(ws, Signal.QUALITY), ((), ("bootstrap",), ("promote", "nothing")),
        settings=(("lasting_fault", "drift"),),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose first version serves, with 60 days of events; nothing was decided yet."""
    folder = tmp_path_factory.mktemp("served")
    world.write_events(folder)
    with opened(folder, ()) as ws:
        world.with_champion(ws)
    return folder


class opened:  # noqa: N801 - read as a function, like `open`
    """The workspace of a project with *settings*, without an engine, open until the block ends."""

    def __init__(self, folder: Path, settings: tuple[tuple[str, str], ...]) -> None:
        (folder / "leeway.yaml").write_text(PROJECT.format(**{**USUAL, **dict(settings)}))
        self._context = context.open(folder)

    def __enter__(self) -> Workspace:
        """Open it."""
        project = self._context.__enter__()
        ws = assembly.workspace(project, project.model())
        return replace(ws, build_baseline=baselines.run, run_training=lambda training, order: training(order))

    def __exit__(self, *error: Any) -> None:
        """Close it."""
        self._context.__exit__(*error)


def holds(folder: Path) -> tuple[tuple[str, ...], ...]:
    """Assert the loop's invariants; return what was done, without candidates' names, which repetitions count on."""
    with context.open(folder) as project:
        reg = project.registry
        loop_invariants.hold(reg, "m")
        return (
            tuple(run.state.value for run in queries.runs(reg, "m")),
            tuple(promotion.kind for promotion in queries.promotions(reg, "m")),
            tuple(decision.action.value for decision in queries.decisions(reg, "m")),
        )


@pytest.mark.parametrize("name", STATES)
def test_a_killed_loop_ends_as_one_that_was_not(served: Path, tmp_path: Path, name: str) -> None:
    """At each transaction, before its commit, before its signature and after it: then all is done, and once."""
    state = STATES[name]
    before = tmp_path / "before"
    shutil.copytree(served, before)
    with opened(before, state.before) as ws:
        state.prepare(ws)
    with opened(before, state.settings):
        pass
    codes = {ExitCode.FINE} if state.words == REACT else {ExitCode.FINE, ExitCode.FAILURE}
    for point in state.points:
        folder = tmp_path / point.replace(" ", "-")
        shutil.copytree(before, folder)
        code, said = killed_commands.killed_until_done(folder, state.words, point, partial(holds, folder))
        assert code in codes, said
        assert "Traceback" not in said
        assert state.ends == holds(folder), point
        printed(folder, "audit", "verify")
