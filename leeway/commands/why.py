"""`leeway why`: explain an incident: drifted variables with guarantee, decisions, retrains and their effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

import typer

from leeway import context
from leeway.commands.incidents import acknowledged_text, decision_text
from leeway.commands.options import AsJson, IncidentNumber
from leeway.commands.response_text import print_response
from leeway.project.load import Model
from leeway.project.validation_errors import count
from leeway.terminal import show
from monitors.explain.explanation import DriftedVariable, WindowExplanation
from monitors.explain.mix_shift import mix_shift_text
from monitors.finding import Finding, Signal
from registry.incidents import explain
from registry.incidents.explain import IncidentExplanation
from registry.records import Incident
from registry.views import incident_response
from registry.views.incident_response import IncidentResponse

ALL = "all traffic"


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(why)


def why(
    ctx: typer.Context,
    incident: IncidentNumber,
    as_json: AsJson = False,
) -> None:
    """Explain an incident: which variables drifted, how sure that is, what was decided and done, and how to undo it.

    Shows its newest window of drift and its first, each revision of its decision, its retrains with training data,
    checks and trial, and whether the promotion helped.
    """
    with context.open(ctx.obj) as opened:
        policies = {name: model.monitor for name, model in opened.project.models.items()}
        explanation = explain.explain(opened.registry, incident, policies)
        response = incident_response.read(opened.registry, explanation.incident)
    if as_json:
        show.as_json({**vars(explanation), "response": response})
        return
    _head(explanation, response, opened.project.models.get(explanation.incident.model))
    _window("Newest window", explanation.newest, explanation.incident)
    if explanation.first.end != explanation.newest.end:
        _window("First window", explanation.first, explanation.incident)
    print_response(response)


def _head(explanation: IncidentExplanation, response: IncidentResponse, model: Model | None) -> None:
    """Print the incident's severity, state, times and decision, and as the newest line what is waited for."""
    incident, decision = explanation.incident, explanation.decision
    word = _word(incident)
    late = f", corrected by late data {count(incident.corrections, 'time')}" if incident.corrections else ""
    rows = [
        ("severity", incident.severity.value),
        ("state", incident.displayed_state + (f": {incident.resolution}" if incident.resolution else "")),
        ("acknowledged", acknowledged_text(response.acknowledged)),
        ("windows", f"{incident.windows:,} with {'a fault' if word == 'fault' else word}{late}"),
        ("since", incident.since),
        ("last seen", incident.last_seen),
        ("accepted as", response.accepted_as.value if response.accepted_as else None),
        ("decision", decision_text(incident, decision, model)),
        ("waits for", response.waits_for if decision else None),
    ]
    what = "data fault" if word == "fault" else f"{incident.signal.value} drift"
    _pairs(f"Incident {incident.id}: {what} in {incident.model} {incident.version}", rows)


def _word(incident: Incident) -> str:
    """Return what an incident is: a fault of the data, or drift."""
    return "fault" if incident.signal is Signal.QUALITY else "drift"


def _window(name: str, window: WindowExplanation, incident: Incident) -> None:
    """Print one window: the drifted variables of the incident's own signal, and the other drifted variables."""
    span = f"{show.cell(window.start)} to {show.cell(window.end)}"
    show.note(f"[bold]{show.text(name)}, {span}[/]\n")
    own_variables, others = window.of(incident.signal), window.beside(incident.signal)
    if not own_variables:
        show.note(f"Corrected by late data: this window has no {show.text(_word(incident))} any more.\n")
    for moved in own_variables:
        _pairs(_title(moved), _rows(moved, window.end))
    if others:
        columns = ("variable", "signal", "segment", "effect", "movement", "since")
        show.table("Other drifted variables", columns, [_other_variable_row(moved) for moved in others])
        show.note("")


def _pairs(title: str, rows: Iterable[tuple[str, object]]) -> None:
    """Print a title and a line for each name with its value; empty values are left out."""
    show.note(show.text(title))
    show.pairs(rows)
    show.note("")


def _title(variable: DriftedVariable) -> str:
    importance = (
        f", importance rank {variable.importance_rank} ({variable.importance:.0%})"
        if variable.importance is not None
        else ""
    )
    return f"{variable.finding.variable} in {_where(variable)}{importance}"


def _other_variable_row(variable: DriftedVariable) -> list[object]:
    finding, since = variable.finding, variable.onset.end if variable.onset else None
    movement = replace(variable.bin_changes, parts=variable.bin_changes.parts[:1])
    how = _movement(replace(variable, bin_changes=movement, levels=dict(list(variable.levels.items())[:1])))
    return [finding.variable, finding.signal.value, _where(variable), _effect(finding), how, since]


def _rows(variable: DriftedVariable, end: datetime) -> Iterator[tuple[str, object]]:
    """Yield the labelled lines about one variable in the window that ended at *end*."""
    finding = variable.finding
    yield "effect", f"{_effect(finding)} {finding.metric}; {_thresholds(variable)}"
    yield "movement", _movement(variable)
    yield "mix", "; ".join(mix_shift_text(split) for split in variable.splits)
    if len(variable.segments) > 1:
        yield "segments", ", ".join(f"{p.segment or ALL} {_figure(p.effect)}" for p in variable.segments)
    yield "guarantee", variable.guarantee
    if finding.guaranteed is None:
        yield "reason", finding.reason
    if finding.sequential and finding.sequential.budget_share is not None:
        yield "budget share", f"{finding.sequential.budget_share:.1%}"
    if variable.onset and variable.onset.end < end:
        yield "since", variable.onset.end
        yield "newest verdict", finding.sequential_note


def _thresholds(variable: DriftedVariable) -> str:
    """Return the minimum effect, and the single-window verdict with its threshold."""
    finding = variable.finding
    min_effect = "" if variable.min_effect is None else f"minimum effect {variable.min_effect:g}; "
    verdict = "fault" if finding.signal is Signal.QUALITY else finding.window_verdict.value.replace("_", " ")
    threshold = "" if finding.threshold is None else f" (threshold {_figure(finding.threshold)})"
    return f"{min_effect}single-window verdict: {verdict}{threshold}"


def _movement(variable: DriftedVariable) -> str:
    levels = ", ".join(f"{name} {before:.3f} -> {now:.3f}" for name, (before, now) in variable.levels.items())
    return levels if variable.bin_changes.is_spread and levels else str(variable.bin_changes) or levels


def _effect(finding: Finding) -> str:
    low_high = "" if finding.interval is None else " [" + ", ".join(map(_figure, finding.interval)) + "]"
    return _figure(finding.effect) + low_high


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _where(variable: DriftedVariable) -> str:
    return variable.segment or ALL
