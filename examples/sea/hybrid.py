"""Static, online and hybrid side by side through the change points of `sea`: losses by stretch of the stream.

    python hybrid.py

The stream is replayed in event time through the real loop (`leeway backtest`): windows are judged, incidents opened,
candidates trained, gated, promoted and watched, with labels that come late. Never refitted and the learner alone are
what serves without a loop: the first model all the time, and the newest snapshot of the learner, ungated.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import make_events
import numpy as np
from make_events import CONCEPT_CHANGE, DAYS, FAULT, START

from features import scoring
from features.scoring import Values
from features.window import to_ms
from leeway.backtest import history, run_backtest
from leeway.backtest.run_backtest import Backtest
from leeway.project.load import Model, Project
from leeway.terminal import show

FIRST_ANSWER = 14
HYBRID, RETRAINS = "hybrid", "static, retrained"
STRETCHES = {
    "the first rule": range(FIRST_ANSWER, CONCEPT_CHANGE),
    "the new rule, first week": range(CONCEPT_CHANGE, CONCEPT_CHANGE + 7),
    "the new rule, later": range(CONCEPT_CHANGE + 7, FAULT.start),
    "a faulty sensor": FAULT,
    "after the fault": range(FAULT.stop, DAYS),
}
"""Days of the stream between its change points (README.md)."""


def main() -> None:
    """Write the events where there are none, replay them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=Path(__file__).with_name("leeway.yaml"))
    parser.add_argument("--until", type=_day, help="the day at which the replay ends, like 2024-02-16")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    project = Project.load(chosen.project)
    events = project.folder / "events"
    if not events.exists():
        make_events.write_events(events, seed=7)
    show_tables(replayed(project, chosen.until))


def replayed(project: Project, until: datetime | None = None) -> Backtest:
    """Replay the stream with static retrains alone, and with a learner beside them."""
    model, lines = project.model(), show.ProgressLines()
    past = history.read(model)
    if until is not None:
        past = replace(past, requests=history.of_period(past.requests, past.start, until))
    return run_backtest.run(past, [(HYBRID, model), (RETRAINS, _static(model))], project.folder, lines.print)


def _static(model: Model) -> Model:
    assert model.retrain is not None
    return replace(model, retrain=model.retrain.model_copy(update={"mode": "static"}))


def losses(done: Backtest) -> dict[str, dict[str, float]]:
    """Return the mean loss of each way by stretch, on the rows that all of them have answered; "all" is their mean."""
    answers = ways(done)
    answered = np.logical_and.reduce([scoring.is_answered(own) for own in answers.values()])
    days = (done.rows.times - to_ms(START)) // to_ms(timedelta(days=1))
    of_rows = {way: scoring.losses(done.rows.task, own[answered], done.rows.target[answered])
               for way, own in answers.items()}  # fmt: skip
    inside = {name: np.isin(days[answered], within) for name, within in STRETCHES.items()}
    inside = {name: rows for name, rows in inside.items() if rows.any()} | {"all": np.ones(answered.sum(), bool)}
    return {name: {way: float(own[rows].mean()) for way, own in of_rows.items()} for name, rows in inside.items()}


def ways(done: Backtest) -> Mapping[str, Values]:
    """Return the answers of each way to serve the stream, (rows,) each."""
    loops = {run.policy: run for run in done.loops}
    return {
        "static, never refitted": done.reference(run_backtest.STATIC).answers,
        RETRAINS: loops[RETRAINS].schedule.answers,
        "learner alone": done.reference(run_backtest.LEARNER).answers,
        HYBRID: loops[HYBRID].schedule.answers,
    }


def show_tables(done: Backtest) -> None:
    """Print the losses, then what came to serve in each loop."""
    table = losses(done)
    columns = ("stretch", *next(iter(table.values())))
    show.table("Mean log loss (lower is better)", columns,
               [(name, *(f"{loss:.3f}" for loss in own.values())) for name, own in table.items()])  # fmt: skip
    show.table("Promotions", ("loop", "static", "online", "roll-backs", "what served, and from when"), [
        (run.policy, run.promoted("static"), run.promoted("online"),
         sum(p.kind == "rollback" for p in run.promotions),
         ", ".join(f"{p.to_version} ({run.mode(p.to_version)}) {p.effective_at:%b %d}" for p in run.promotions))
        for run in done.loops
    ])  # fmt: skip


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


if __name__ == "__main__":
    main()
