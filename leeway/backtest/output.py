"""Output of a backtest: tables of schedules and decisions, a JSON document, and a page with a plot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from features import scoring
from features.schema import Task
from features.scoring import Floats
from leeway.backtest import metrics
from leeway.backtest.run_backtest import NO_MODEL, Backtest, LoopRun, Schedule
from leeway.terminal import show
from registry.records import Action, Decision, Promotion, RetrainRun

Row = tuple[object, ...]
_CONSTANT = {
    Task.BINARY: "the mean label",
    Task.REGRESSION: "the mean label",
    Task.MULTICLASS: "the most frequent class",
}
"""What `no model` answers, by task."""


def print_tables(done: Backtest) -> None:
    """Print the schedules beside each other, and then what the loop decided, and why."""
    metric = metrics.METRIC[done.rows.task]
    show.table("Backtest", ("schedule", metric, "loss", "trainings", "promotions", "seconds"),
               [_row(one) for one in schedules(done)])  # fmt: skip
    if no_model_is_best(done):
        show.note(show.text(f"`no model` ({_CONSTANT[done.rows.task]} so far) has a lower loss than every schedule: "
                            "the inputs say little about the label, a change cost more than the model gained, or a few "
                            "large errors decide."))  # fmt: skip
    for run in done.loops:
        share = done.share_of_gain(run)
        if np.isfinite(share):
            every = done.reference("refit at every step")
            show.note(show.text(f"{run.schedule.name}: {share:.0%} of what a refit at every step gains, with "
                                f"{run.schedule.trainings} trainings for {every.trainings}."))  # fmt: skip
        show.table(f"Decisions ({show.text(run.policy)})", ("made at", "about", "decision", "because", "outcome"),
                   list(_decisions(run)))  # fmt: skip


def schedules(done: Backtest) -> list[Schedule]:
    """Return all schedules: the loop under each policy, then the references."""
    return [*(run.schedule for run in done.loops), *done.references]


def no_model_is_best(done: Backtest) -> bool:
    """Return whether a constant has a lower loss than every schedule: then a gain between them means little."""
    constant = done.reference(NO_MODEL)
    return all(constant.measured.loss < one.measured.loss for one in schedules(done) if one is not constant)


def _row(one: Schedule) -> Row:
    seconds = f"{one.seconds:.1f}"
    return (one.name, f"{one.measured.metric:.3f}", f"{one.measured.loss:.4f}", one.trainings, one.promotions, seconds)


def _decisions(run: LoopRun) -> Iterator[Row]:
    """Yield a row for each decision, in order, with the outcome of its run."""
    runs = {one.decision_id: one for one in run.runs}
    signals = {incident.id: incident.signal.value for incident in run.incidents}
    for decision in run.decisions:
        about = decision.actor if decision.incident_id is None else (
            f"incident {decision.incident_id} ({signals[decision.incident_id]})")  # fmt: skip
        yield (
            f"{decision.made_at:%Y-%m-%d %H:%M}",
            about,
            decision.action.text,
            _because(decision),
            _outcome(decision, runs.get(decision.id), run.promotions),
        )


def _because(decision: Decision) -> str:
    return decision.because[0] if decision.action is not Action.NOTHING else decision.because[-1]


def _outcome(decision: Decision, run: RetrainRun | None, promotions: tuple[Promotion, ...]) -> str:
    if run is None:
        made = [p for p in promotions if p.decision_id == decision.id]
        return f"{made[0].to_version} serves" if made else ""
    return f"{run.state.value}: {run.reason}"


def document(done: Backtest) -> dict[str, Any]:
    """Return the backtest as a JSON document."""
    return {
        "ok": True,
        "model": done.history.schema.model,
        "task": done.rows.task.value,
        "metric": metrics.METRIC[done.rows.task],
        "higher_is_better": metrics.HIGHER_IS_BETTER[done.rows.task],
        "first_training": {"start": done.history.start, "end": done.history.cut},
        "replayed": {"start": done.history.cut, "end": done.history.end, "labelled_rows": len(done.rows)},
        "rejected_records": done.history.rejected,
        "no_model_is_best": no_model_is_best(done),
        "schedules": [
            {"name": one.name, "metric": _number(one.measured.metric), "loss": _number(one.measured.loss),
             "rows": one.measured.rows, "trainings": one.trainings, "promotions": one.promotions,
             "seconds": round(one.seconds, 3)} for one in schedules(done)
        ],
        "policies": [
            {"name": run.policy, "share_of_gain": _number(done.share_of_gain(run)),
             "decisions": [d.model_dump(mode="json") for d in run.decisions],
             "runs": [r.model_dump(mode="json") for r in run.runs],
             "promotions": [p.model_dump(mode="json") for p in run.promotions],
             "incidents": [_incident(i.model_dump(mode="json")) for i in run.incidents]} for run in done.loops
        ],
    }  # fmt: skip


def _incident(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "evidence"}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def write_plot(done: Backtest, path: Path) -> None:
    """Write a page with the mean loss of each schedule by window of time; promotions are vertical lines."""
    import plotly.graph_objects as go  # slow

    figure = go.Figure()
    step = done.history.schema.windows.size
    for one in schedules(done):
        starts, losses = _by_window(done, one, step.total_seconds() * 1000)
        figure.add_trace(go.Scatter(x=starts.astype("datetime64[ms]"), y=losses, name=one.name, mode="lines"))
    for promotion in done.loops[0].promotions[1:]:
        figure.add_vline(x=promotion.effective_at.timestamp() * 1000, line_dash="dot", line_color="grey")
    title = f"{done.history.schema.model}: mean loss by window; dotted lines are promotions"
    figure.update_layout(title=title, xaxis_title="event time", yaxis_title="mean loss", template="plotly_white")
    figure.write_html(path, include_plotlyjs=True)


def _by_window(done: Backtest, one: Schedule, step: float) -> tuple[Any, Floats]:
    """Return the starts (ms) of windows with answered rows, and the mean loss in each."""
    answered = scoring.is_answered(one.answers)
    losses = scoring.losses(done.rows.task, one.answers[answered], done.rows.target[answered], sd=done.sd)
    times = done.rows.times[answered]
    starts, of_row = np.unique((times // step) * step, return_inverse=True)
    return starts.astype(np.int64), np.bincount(of_row, weights=losses) / np.bincount(of_row)
