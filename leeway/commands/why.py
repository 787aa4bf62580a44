"""`leeway why`: what an incident is about, for somebody whom it woke, and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated

import typer

from leeway import context
from leeway.commands.options import AsJson
from leeway.terminal import show
from monitors.explain.bin_changes import BinChanges
from monitors.explain.explanation import DriftedVariable, WindowExplanation, mix_shift_text
from monitors.finding import Finding, Signal
from registry.incidents import explain
from registry.incidents.explain import IncidentExplanation
from registry.records import Incident

ALL = "all traffic"


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(why)


def why(
    ctx: typer.Context,
    incident: Annotated[int, typer.Argument(help="Its number, as `leeway incidents` lists it.")],
    as_json: AsJson = False,
) -> None:
    """Explain an incident: which variables moved, how, in whom, how sure that is, and what it costs.

    Of its newest window of drift, and of its first.
    """
    with context.open(ctx.obj) as opened:
        policies = {name: model.monitor for name, model in opened.project.models.items()}
        told = explain.explain(opened.registry, incident, policies)
    if as_json:
        show.as_json(told)
        return
    _head(told)
    _window("Newest window", told.newest, told.incident)
    if told.first.end != told.newest.end:
        _window("First window", told.first, told.incident)


def _head(told: IncidentExplanation) -> None:
    incident, decision = told.incident, told.decision
    late = f", corrected by late data {incident.corrections} times" if incident.corrections else ""
    decided = f"{decision.action.value}: {'; '.join(decision.because)}" if decision else None
    rows = [
        ("severity", incident.severity.value),
        ("state", incident.displayed_state + (f": {incident.resolution}" if incident.resolution else "")),
        ("windows", f"{incident.windows} that drifted{late}"),
        ("since", incident.since),
        ("last seen", incident.last_seen),
        ("decision", decided or f"waiting{': ' + incident.pending if incident.pending else ''}"),
    ]
    _pairs(f"Incident {incident.id}: {incident.signal.value} of {incident.model} {incident.version}", rows)


def _window(name: str, told: WindowExplanation, incident: Incident) -> None:
    """Print one window: what drifted of the incident's own signal, and what drifted beside it."""
    span = f"{show.cell(told.start)} to {show.cell(told.end)}"
    show.note(f"[bold]{show.text(name)}, {span}[/]\n")
    own, beside = told.of(incident.signal), told.beside(incident.signal)
    if not own:
        show.note("Late data took the drift out of it.")
    for moved in own:
        _pairs(_title(moved), _rows(moved, told.end))
    if beside:
        columns = ("beside it", "signal", "in", "effect", "how it moved", "since")
        show.table("", columns, [_beside(moved) for moved in beside])
        show.note("")


def _pairs(title: str, rows: Iterable[tuple[str, object]]) -> None:
    """Print what is told of one thing, a line each; what is nothing is left out."""
    show.note(show.text(title))
    show.pairs(rows)
    show.note("")


def _title(moved: DriftedVariable) -> str:
    known = (
        f", {moved.importance:.0%} of what matters, no. {moved.importance_rank}" if moved.importance is not None else ""
    )
    return f"{moved.finding.variable} in {_where(moved)}{known}"


def _beside(moved: DriftedVariable) -> list[object]:
    finding, since = moved.finding, moved.onset.end if moved.onset else None
    movement = BinChanges(moved.bin_changes.direction, moved.bin_changes.parts[:1])
    how = _how(replace(moved, bin_changes=movement, levels=dict(list(moved.levels.items())[:1])))
    return [finding.variable, finding.signal.value, _where(moved), _effect(finding), how, since]


def _rows(moved: DriftedVariable, end: datetime) -> Iterator[tuple[str, object]]:
    """Yield what is told of one variable, in the window that ended at *end*, by name."""
    finding = moved.finding
    yield "effect", f"{_effect(finding)} {finding.metric}; {_lines(moved)}"
    yield "moved", _how(moved)
    yield "mix", "; ".join(mix_shift_text(split) for split in moved.splits)
    if len(moved.segments) > 1:
        yield "in", ", ".join(f"{p.segment or ALL} {_figure(p.effect)}" for p in moved.segments)
    yield "how sure", moved.guarantee
    if finding.guaranteed is None:
        yield "reason", finding.reason
    if finding.sequential and finding.sequential.budget_share is not None:
        yield "cost", f"{finding.sequential.budget_share:.1%} of the false-alarm budget"
    if moved.onset and moved.onset.end < end:
        yield "since", moved.onset.end
        yield "now", finding.sequential_note


def _lines(moved: DriftedVariable) -> str:
    """Return what the effect had to cross, and what the window would say by itself."""
    finding = moved.finding
    worth = "" if moved.min_effect is None else f"worth telling from {moved.min_effect:g}; "
    alone = "fault" if finding.signal is Signal.QUALITY else finding.window_verdict.value.replace("_", " ")
    return f"{worth}the window alone says {alone}, its line is {_figure(finding.threshold)}"


def _how(moved: DriftedVariable) -> str:
    levels = ", ".join(f"{name} {before:.3f} -> {now:.3f}" for name, (before, now) in moved.levels.items())
    return str(moved.bin_changes) or levels or "no single part of its range by much"


def _effect(finding: Finding) -> str:
    low_high = "" if finding.interval is None else " [" + ", ".join(map(_figure, finding.interval)) + "]"
    return _figure(finding.effect) + low_high


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _where(moved: DriftedVariable) -> str:
    return moved.segment or ALL
