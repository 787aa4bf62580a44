"""`leeway status`, `leeway incidents` and `leeway history`: what the registry says, for people and for programs."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

import typer

from features.window import UTC
from leeway import context, dead_letters
from leeway.commands.options import AsJson
from leeway.context import Context
from leeway.project.validation_errors import count
from leeway.terminal import show
from monitors.finding import Stage
from registry import model_status, queries
from registry.records import Decision, Incident, IncidentState

ModelName = Annotated[str | None, typer.Argument(help="The model; the only one, or all, if absent.")]


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command()(status)
    app.command()(incidents)
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
        for said in row["said"]:
            show.note(show.text(f"{row['model']}: {said}"))
        for aside in row["set_aside"]:
            show.note(show.text(f"{row['model']}: {_set_aside_text(aside)}"))
        if hint := _next_step(row):
            show.note(f"{show.text(row['model'])}: {hint}")


def _model_status(opened: Context, model: str) -> dict[str, Any]:
    """Return what `status` tells of one model; the keys are those of its JSON."""
    reg, now = opened.registry, datetime.now(UTC)
    champion, running = queries.champion(reg, model), queries.running(reg, model)
    live = [i for i in queries.incidents(reg, model) if i.state is not IncidentState.RESOLVED]
    stands = model_status.read(reg, model)
    return {
        "model": model,
        "state": stands.state.value,
        "said": stands.lines,
        "judged": [*stands.drifting, *stands.steady],
        "unjudged": stands.unjudged,
        "newest_window": stands.window_end,
        "newest_window_age": stands.age(now),
        "last_record": stands.last_heard,
        "last_record_age": stands.heard_age(now),
        "refused": stands.set_aside,
        "set_aside": dead_letters.summary(opened.dir, model),
        "task": opened.model(model).schema.task.value,
        "champion": champion.version if champion else None,
        "generation": champion.generation if champion else 0,
        "since": champion.since if champion else None,
        "inputs": _newest(opened, model, Stage.INPUTS),
        "outcomes": _newest(opened, model, Stage.OUTCOMES),
        "open_incidents": len(live),
        "undecided": len(queries.undecided(reg, model)),
        "running": running.id if running else None,
        "dead_letters": dead_letters.count(opened.dir, model),
    }


def _newest(opened: Context, model: str, stage: Stage) -> dict[str, Any] | None:
    """Return the newest window over all traffic."""
    windows = queries.windows(opened.registry, model, segment="", stage=stage, limit=1)
    if not windows:
        return None
    return {"window_end": windows[0].window_end, "version": windows[0].version, "verdict": windows[0].verdict.value,
            "rows": windows[0].rows}  # fmt: skip


def _status_row(row: dict[str, Any]) -> list[object]:
    running = f"run {row['running']}" if row["running"] else None
    waiting = f"{row['open_incidents']} open, {row['undecided']} undecided"
    aside = sum(aside["records"] for aside in row["set_aside"])
    return [row["model"], row["state"], row["champion"], row["newest_window_age"], row["last_record_age"], waiting,
            aside, running]  # fmt: skip


def _set_aside_text(aside: dict[str, Any]) -> str:
    """Return why records were set aside, how many, and where the newest of them is.

    >>> _set_aside_text({"role": "labels", "reason": "id is missing", "records": 3, "place": "a.csv line 4"})
    '3 labels set aside: id is missing (the newest: a.csv line 4)'
    """
    lost = count(aside["records"], aside["role"].removesuffix("s"))
    return f"{lost} set aside: {aside['reason']} (the newest: {aside['place']})"


def _next_step(row: dict[str, Any]) -> str:
    if not row["champion"]:
        return "no version is being watched yet; [bold]leeway baseline[/] takes one from its events"
    if not row["inputs"]:
        return "no window has been judged yet; [bold]leeway monitor[/] reads the events"
    if row["undecided"]:
        return "an incident waits for its decision; [bold]leeway incidents[/] shows it"
    return ""


def incidents(
    ctx: typer.Context,
    model: ModelName = None,
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List incidents with what was decided about each."""
    with context.open(ctx.obj) as opened:
        name = opened.model(model).name if model else None
        with_decisions = [
            (incident, queries.decision_of(opened.registry, incident.id))
            for incident in queries.incidents(opened.registry, name)
            if everything or incident.state is not IncidentState.RESOLVED
        ]
    if as_json:
        show.as_json([{**i.model_dump(mode="json"), "decision": d} for i, d in with_decisions])
    elif not with_decisions:
        show.note("No open incident." + ("" if everything else " [bold]leeway incidents --all[/] lists resolved ones."))
    else:
        columns = ("id", "model", "severity", "signal", "state", "opened", "last seen", "decision")
        rows = [
            (
                i.id,
                f"{i.model} {i.version}",
                i.severity.value,
                f"{i.signal.value}: {_variables(i)}",
                _state(i),
                i.opened_at,
                i.last_seen,
                _decided(i, d),
            )
            for i, d in with_decisions
        ]
        show.table("Incidents", columns, rows)


def _state(incident: Incident) -> str:
    return incident.displayed_state + (", corrected by late data" if incident.corrections else "")


def _decided(incident: Incident, decision: Decision | None) -> str:
    if decision is None:
        return f"waiting{': ' + incident.pending if incident.pending else ''}"
    return f"{decision.action.value}: {'; '.join(decision.because)}"


def _variables(incident: Incident) -> str:
    return ", ".join(sorted({e.finding.variable for e in incident.evidence}))


def history(ctx: typer.Context, model: ModelName = None, as_json: AsJson = False) -> None:
    """Tell what happened to a model, from the audit log: incidents, decisions, retrains, promotions."""
    with context.open(ctx.obj) as opened:
        name = opened.model(model).name
        log = [entry for entry in queries.audit_log(opened.registry) if entry.model == name]
    if as_json:
        show.as_json(log)
        return
    entries = [entry for entry in log if entry.action != "reports.stored"]
    if not entries:
        show.note(f"Nothing has happened to {show.text(name)} yet; [bold]leeway baseline[/] begins its record.")
        return
    rows = [
        (entry.seq, entry.at, entry.action, entry.subject, entry.actor, _details_text(entry.details))
        for entry in entries
    ]
    show.table(f"History of {name}", ("no.", "at", "what", "of", "by", "details"), rows)


def _details_text(details: dict[str, Any]) -> str:
    """Return the details of a line as `key value` pairs, with digests cut short.

    >>> _details_text({"action": "retrain", "because": ["loss .31 > .25", "stale"], "incident_id": None})
    'action retrain, because loss .31 > .25; stale'
    """
    texts = {k: "; ".join(map(str, v)) if isinstance(v, list) else v for k, v in details.items()}
    pairs = ", ".join(f"{key} {text}" for key, text in texts.items() if text not in (None, ""))
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1", pairs)
