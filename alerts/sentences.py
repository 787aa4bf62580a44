"""An alert in one plain sentence, which a receiver can show as it is: what happened to which model, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from registry import incident_words
from registry.audit_log.chain import SYSTEM
from registry.records import APPROVAL, Action, Message

Data = Mapping[str, Any]


def sentence(message: Message) -> str:
    """Return what a message says in a sentence; its type and model where it has no record that is known here.

    >>> from datetime import datetime
    >>> run = {"id": 3, "challenger": "v2", "reason": "v2 is neither better nor worse yet"}
    >>> held = Message(id="1", type="retrain.held", model="m", data={"run": run}, created_at=datetime(2024, 6, 1))
    >>> sentence(held)
    'm: run 3 is held, v2 answers in shadow until labels decide: v2 is neither better nor worse yet'
    """
    for record, render in _RENDERERS.items():
        if isinstance(message.data.get(record), Mapping):
            return f"{message.model}: {render(message.type, message.data)}"
    return f"{message.model}: {message.type}"


def _incident(kind: str, data: Data) -> str:
    """Return a message about an incident; one that lasts asks the person who reads it."""
    incident = data["incident"]
    is_fault = incident.get("signal") == "quality"
    what = "data fault" if is_fault else f"{incident.get('signal', '')} drift".strip()
    where = " of ".join(filter(None, (_variables(incident), str(incident.get("version", "")))))
    about = f"{incident.get('severity', '')} {what} in {where}, incident {incident.get('id', '')}"
    if kind == "incident.lasting":
        return f"{about}: {data.get('question', '')}"
    resolution = incident.get("resolution")
    if resolution:
        return f"{about}, {_EVENTS.get(kind, kind)}: {resolution}"
    return f"{about}, {_EVENTS.get(kind, kind)}{_begin(incident)}; `leeway why {incident.get('id', '')}` explains it"


def _variables(incident: Data) -> str:
    """Return the variables of an incident, the first three by name; "" where it names none."""
    names = sorted({name for finding in _findings(incident) if (name := str(finding.get("variable", "*"))) != "*"})
    return incident_words.first(names, 3)


def _begin(incident: Data) -> str:
    """Return since when, in event time, an incident's windows drift, and the newest finding in words if it has any."""
    since = str(incident.get("since", ""))[:16].replace("T", " ").removesuffix(" 00:00")
    reason = next((str(f["reason"]) for f in reversed(_findings(incident)) if f.get("reason")), "")
    return (f", in windows since {since}" if since else "") + (f": {reason}" if reason else "")


def _findings(incident: Data) -> list[Data]:
    return [e["finding"] for e in incident.get("evidence", ()) if isinstance(e.get("finding"), Mapping)]


_EVENTS = {
    "incident.opened": "was opened",
    "incident.raised": "became more severe",
    "incident.reopened": "was opened again",
    "incident.resolved": "is resolved",
    "incident.closed": "was closed, and the drift goes on",
}
"""What happened to an incident, by the type of the message."""


def _decision(_: str, data: Data) -> str:
    """Return a message about a decision, with its revision from the second on."""
    decision = data["decision"]
    number, revision = decision.get("incident_id"), decision.get("revision", 1)
    about = "" if number is None else f" about incident {number}"
    again = f", revision {revision}" if revision > 1 else ""
    return f"decided{about}{again}: {Action(decision['action']).text}: {'; '.join(decision.get('because', ()))}"


def _run(kind: str, data: Data) -> str:
    """Return a message about a retrain that was held, rejected or failed."""
    run = data["run"]
    if kind == "retrain.held" and str(run.get("reason", "")).startswith(APPROVAL):
        answer = "`leeway promote` approves it, `leeway refuse` refuses it"
        return f"run {run.get('id')} is held, {run.get('challenger')} {run.get('reason')}; {answer}"
    if kind == "retrain.held":
        shadow = f"{run.get('challenger')} answers in shadow until labels decide"
        return f"run {run.get('id')} is held, {shadow}: {run.get('reason', '')}"
    what = {"retrain.rejected": "promoted nothing", "retrain.failed": "failed"}.get(kind, kind)
    return f"run {run.get('id')} {what}: {run.get('reason', '')}"


def _promotion(kind: str, data: Data) -> str:
    """Return a message about a change of champion; one by the system says that nobody did it by hand."""
    promotion = data["promotion"]
    to, before = promotion.get("to_version"), promotion.get("from_version")
    actor = "automatically" if promotion.get("actor") == SYSTEM else f"by {promotion.get('actor')}"
    if kind == "model.rolled_back":
        return f"{before} was rolled back {actor}, {to} and its baseline serve again: {promotion.get('reason', '')}"
    after = f" after {before}" if before else ""
    plan = data["baseline"].get("plan", "") if isinstance(data.get("baseline"), Mapping) else ""
    return f"{to} became champion{after} {actor}: {promotion.get('reason', '')}" + (f"; {plan}" if plan else "")


def _baseline(_: str, data: Data) -> str:
    """Return a message about a baseline that was renewed."""
    baseline = data["baseline"]
    has = f"{baseline.get('slices', '')} slices, {baseline.get('rows', '')} rows"
    return f"baseline of {baseline.get('version', '')} was renewed, revision {baseline.get('revision', '')}: {has}"


def _audit(_: str, data: Data) -> str:
    """Return a message about a finished audit."""
    result = data["result"]
    findings = "; ".join(result.get("findings", ()))
    return f"audit {result.get('id')} " + ("passed" if result.get("passed") else f"has findings: {findings}")


_RENDERERS: Mapping[str, Callable[[str, Data], str]] = {
    "incident": _incident,
    "decision": _decision,
    "run": _run,
    "promotion": _promotion,
    "baseline": _baseline,
    "result": _audit,
}
"""How a message is put in words, by the record in its data."""
