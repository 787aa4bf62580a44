"""Names and tags of runs on Prefect's pages: model, incident and candidate in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from monitors.finding import Signal
from registry import queries
from registry.connection import Registry
from registry.records import Decision, Incident

MODES: Final = ("static", "online")
_STEPS: Final = {
    "gather": "gather training and evaluation rows",
    "train": "train {mode} candidate",
    "gate_candidate": "gate {mode} candidate",
    "promote_or_reject": "promote the best candidate or refuse all",
    "write": "write the Evidently report",
    "audit": "count the period again and compare",
}
"""Names of tasks, by the function that is the step."""
LONGEST: Final = 60
"""Most characters of a reason in the name of a run."""


def incident_text(incident: Incident) -> str:
    """Return an incident by number and kind, like ``incident 12 (performance drift)``."""
    kind = "data fault" if incident.signal is Signal.QUALITY else f"{incident.signal.value} drift"
    return f"incident {incident.id} ({kind})"


def retrain_name(reg: Registry, decision: Decision) -> str:
    """Return the name of a retrain: for which incident, or who started it and why."""
    if decision.incident_id is None:
        reason = decision.because[0] if decision.because else ""
        return f"{decision.model}: retrain by {decision.actor}" + (f": {shortened(reason)}" if reason else "")
    return f"{decision.model}: retrain for {incident_text(queries.incident(reg, decision.incident_id))}"


def reconcile_name(model: str, incidents: Sequence[Incident]) -> str:
    """Return the name of a reconcile, with the undecided incidents that it begins with."""
    about = ", ".join(map(incident_text, incidents))
    return f"{model}: decide about {about}" if about else f"{model}: reconcile"


def audit_name(model: str, start: datetime | None, end: datetime | None) -> str:
    """Return the name of an audit.

    >>> audit_name("credit", datetime(2013, 1, 1), datetime(2013, 2, 1))
    'credit: audit of 2013-01-01 to 2013-02-01'
    """
    period = " to ".join(f"{moment:%Y-%m-%d}" for moment in (start, end) if moment)
    return f"{model}: audit" + (f" of {period}" if start and end else "")


def tags(model: str, incidents: Sequence[Incident] = ()) -> list[str]:
    """Return the tags of a run: model, incidents and signals, to filter runs by."""
    about = (tag for i in incidents for tag in (f"incident:{i.id}", f"signal:{i.signal.value}"))
    return list(dict.fromkeys(["leeway", f"model:{model}", *about]))


def decision_tags(reg: Registry, decision: Decision) -> list[str]:
    """Return the tags of a retrain."""
    incident = None if decision.incident_id is None else queries.incident(reg, decision.incident_id)
    return tags(decision.model, [incident] if incident else [])


def task_name(step: str, args: Sequence[Any] = ()) -> str:
    """Return the name of the task that runs a step, by the name of its function and its arguments.

    >>> task_name("train", ["static"]), task_name("write_model_card")
    ('train static candidate', 'write model card')
    """
    mode = next(_modes(args), "")
    return " ".join(_STEPS.get(step, step.strip("_").replace("_", " ")).format(mode=mode).split())


def shortened(text: str) -> str:
    """Return the first line of a text, of at most `LONGEST` characters.

    >>> shortened("x" * 100)[-3:], len(shortened("x" * 100))
    ('xx…', 60)
    """
    line = (text.splitlines() or [""])[0]
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _modes(args: Sequence[Any]) -> Iterator[str]:
    """Yield the mode of each argument that is one, or is or has a candidate that has one."""
    for arg in args:
        mode = arg if isinstance(arg, str) else getattr(getattr(arg, "candidate", arg), "mode", None)
        if mode in MODES:
            yield mode
