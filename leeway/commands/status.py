"""`leeway status` and `history`: model states and audit log, for people and as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from features.window import UTC
from leeway import context, dead_letters, learner_state, nearline_champion, side_by_side
from leeway.commands import next_step
from leeway.commands.options import AsJson
from leeway.context import Context
from leeway.landed import progress
from leeway.project.validation_errors import count
from leeway.terminal import show
from monitors.finding import Stage
from registry import baseline_plan, model_status, queries
from registry.records import AuditEntry, RunState
from registry.views import incident_response, loss_precedence, promotion_effect, retrain_record
from registry.views.loss_precedence import LossPrecedence
from registry.views.promotion_effect import PromotionEffect
from registry.views.retrain_record import RetrainRecord

ModelName = Annotated[str | None, typer.Argument(help="The model; by default the only one, or all.")]

KINDS_SHOWN = 5
"""Kinds of reasons why records were set aside that are told, the most frequent first."""


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command()(status)
    app.command()(history)


def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show each model's champion, newest verdicts, open incidents and running retrain."""
    with context.open(ctx.obj) as opened:
        rows = [_model_status(opened, name) for name in opened.project.models]
    if as_json:
        show.as_json({"project": opened.project.name, "models": rows})
        return
    columns = ("model", "state", "champion", "newest window", "last record", "incidents", "set aside", "retraining")
    show.table(opened.project.name, columns, [_status_row(row) for row in rows])
    for row in rows:
        for line in row["said"]:
            show.note(show.text(f"{row['model']}: {line}"))
        for aside in row["set_aside"]:
            show.note(show.text(f"{row['model']}: {_set_aside_text(aside)}"))
        for source in row["landed"]:
            show.note(show.text(source.text))
        for line in _retrain_lines(row):
            show.note(show.text(f"{row['model']}: {line}"))
        if hint := next_step.of(row, opened.model(row["model"])):
            show.note(f"{show.text(row['model'])}: {hint}")


def _model_status(opened: Context, model: str) -> dict[str, Any]:
    """Return one model's entry in the JSON of `leeway status`."""
    reg, now = opened.registry, datetime.now(UTC)
    champion, running = queries.champion(reg, model), queries.running(reg, model)
    live, letters = queries.open_incidents(reg, model), dead_letters.read(opened.dir, model)
    status, on_trial = model_status.read(reg, model), queries.unfinished(reg, model, RunState.HELD)
    return {
        "model": model,
        "state": status.state.value,
        "said": status.lines,
        "judged": [*status.drifting, *status.steady],
        "unjudged": status.unjudged,
        "newest_window": status.window_end,
        "newest_window_age": status.age(now),
        "last_record": status.last_heard,
        "last_record_age": status.heard_age(now),
        "refused": status.set_aside,
        "set_aside": letters.kinds[:KINDS_SHOWN],
        "task": opened.model(model).schema.task.value,
        "champion": champion.version if champion else None,
        "generation": champion.generation if champion else 0,
        "since": champion.since if champion else None,
        "baseline": baseline_plan.read(reg, model),
        "signals": _precedence(opened, model),
        "inputs": _newest(opened, model, Stage.INPUTS),
        "outcomes": _newest(opened, model, Stage.OUTCOMES),
        "open_incidents": len(live),
        "undecided": len(queries.undecided(reg, model)),
        "running": running.id if running else None,
        "held": retrain_record.of_runs(reg, model, on_trial),
        "promotion": promotion_effect.newest_effect(promotion_effect.read(reg, model)),
        "dead_letters": letters.count,
        "sides": side_by_side.read(opened, opened.model(model)),
        "learner": learner_state.read(opened, opened.model(model)),
        "nearline": _nearline(opened, model, champion.version if champion else None),
        "landed": [progress.read(source, now) for source in opened.model(model).landed],
    }


def _nearline(opened: Context, name: str, champion: str | None) -> str | None:
    """Return what answers the model's topic of requests, in words; None where it has none."""
    model = opened.model(name)
    return nearline_champion.text(nearline_champion.version(opened, model), champion) if model.nearline else None


def _precedence(opened: Context, model: str) -> dict[str, LossPrecedence]:
    """Return how often past incidents of each signal came with a rise of the loss, where there were any."""
    size = opened.model(model).schema.windows.size
    counted = loss_precedence.read(opened.registry, model, size)
    return {signal.value: figure for signal, figure in counted.items() if figure.incidents}


def _newest(opened: Context, model: str, stage: Stage) -> dict[str, Any] | None:
    """Return the newest window of all traffic."""
    windows = queries.windows(opened.registry, model, segment="", stage=stage, limit=1)
    if not windows:
        return None
    return {"window_end": windows[0].window_end, "version": windows[0].version, "verdict": windows[0].verdict.value,
            "rows": windows[0].rows}  # fmt: skip


def _status_row(row: dict[str, Any]) -> list[object]:
    on_trial = [
        f"run {record.run.id} ({'waits for approval' if record.run.awaits_approval else 'held'})"
        for record in row["held"]
    ]
    running = ", ".join([f"run {row['running']}"] * bool(row["running"]) + on_trial) or None
    waiting = f"{row['open_incidents']} open, {row['undecided']} undecided"
    aside = sum(aside["records"] for aside in row["set_aside"])
    return [row["model"], row["state"], row["champion"], row["newest_window_age"], row["last_record_age"], waiting,
            aside, running]  # fmt: skip


def _set_aside_text(aside: dict[str, Any]) -> str:
    """Return how many records were set aside for a reason, and where the newest of them is.

    >>> _set_aside_text({"role": "labels", "reason": "id is missing", "records": 3, "place": "a.csv line 4"})
    '3 labels set aside: id is missing (newest: a.csv line 4)'
    """
    lost = count(aside["records"], aside["role"].removesuffix("s"))
    return f"{lost} set aside: {aside['reason']} (newest: {aside['place']})"


def _retrain_lines(row: dict[str, Any]) -> Iterator[str]:
    """Yield what waits, what is on trial, the newest promotion, static beside online, and the baseline's plan."""
    for record in row["held"]:
        if record.run.awaits_approval:
            answer = incident_response.approval_commands(record.run)
            yield f"run {record.run.id} is held, {record.run.challenger} {record.run.reason}. {answer}"
            continue
        look = f"; look {record.looks[-1].number}: {record.looks[-1].reason}" if record.looks else ""
        yield f"run {record.run.id} is held, {record.run.challenger} answers in shadow{look}"
    effect: PromotionEffect | None = row["promotion"]
    if effect is not None and effect.promotion.from_version is not None:
        yield f"{effect.promotion.to_version} since {show.cell(effect.promotion.effective_at)}: {effect.text}"
    learner = row["learner"]
    if len(row["sides"]) > 1:
        yield from (side.text for side in row["sides"])
    if learner["branch"] is not None:
        yield f"learner, branch {learner['branch']}: {learner['text']}"
    if row["nearline"]:
        yield row["nearline"]
    if row["baseline"] is not None and row["baseline"].is_short:
        yield row["baseline"].text
    yield from (figure.text for figure in row["signals"].values() if figure.is_rare)


def history(ctx: typer.Context, model: ModelName = None, as_json: AsJson = False) -> None:
    """Show a model's audit log: incidents, decisions, retrains with their cost, promotions and whether they helped."""
    with context.open(ctx.obj) as opened:
        name = opened.model(model).name
        log = [entry for entry in queries.audit_log(opened.registry) if entry.model == name]
        effects = {_key(e): e for e in promotion_effect.read(opened.registry, name).values()}
        retrains = {f"run {r.run.id}": r for r in retrain_record.records(opened.registry, name)}
    if as_json:
        show.as_json([{**entry.model_dump(mode="json"), **_measured(entry, effects, retrains)} for entry in log])
        return
    entries = [entry for entry in log if entry.action != "reports.stored"]
    if not entries:
        show.note(f"The audit log has no entry for {show.text(name)} yet; [bold]leeway baseline[/] makes the first.")
        return
    rows = [
        (
            entry.seq,
            entry.at,
            entry.action,
            entry.subject,
            entry.actor,
            _details_text(entry.details | _measured_text(_measured(entry, effects, retrains))),
        )
        for entry in entries
    ]
    show.table(f"History of {name}", ("no.", "at", "action", "subject", "actor", "details"), rows)


def _key(effect: PromotionEffect) -> int:
    """Return what names a promotion in the audit log: the generation that it began."""
    return effect.promotion.generation


def _measured(
    entry: AuditEntry, effects: dict[int, PromotionEffect], retrains: dict[str, RetrainRecord]
) -> dict[str, Any]:
    """Return what was measured about an entry since: a promotion's effect, a retrain's cost (s) and time by stage."""
    if entry.action in ("model.promoted", "model.rolled_back"):
        effect = effects.get(entry.details.get("generation", 0))
        record = retrains.get(f"run {entry.details.get('run_id')}")
        return {"effect": effect, "seconds": record.seconds if record else None, "times": record and record.times}
    if entry.action in ("retrain.rejected", "retrain.failed", "retrain.held") and entry.subject in retrains:
        return {"seconds": retrains[entry.subject].seconds, "times": retrains[entry.subject].times}
    return {}


def _measured_text(measured: dict[str, Any]) -> dict[str, Any]:
    """Return what was measured as details of an audit log entry, in words."""
    effect: PromotionEffect | None = measured.get("effect")
    seconds, times = measured.get("seconds"), measured.get("times")
    compared = effect is not None and effect.promotion.is_new
    return {
        "seconds": f"{seconds:,.1f}" if seconds else None,
        "time by stage": times.text if times is not None else None,
        "did it help": effect.text if effect is not None and compared else None,
    }


def _details_text(details: dict[str, Any]) -> str:
    """Return the details of an audit log entry as `key value` pairs, with digests shortened.

    >>> _details_text({"action": "retrain", "because": ["loss .31 > .25", "stale"], "incident_id": None})
    'action retrain, because loss .31 > .25; stale'
    """
    texts = {k: "; ".join(map(str, v)) if isinstance(v, list) else v for k, v in details.items()}
    pairs = ", ".join(f"{key} {text}" for key, text in texts.items() if text not in (None, ""))
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1", pairs)
