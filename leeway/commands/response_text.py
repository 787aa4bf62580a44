"""Prints what was done about an incident: decisions, retrains with their gate and trial, effect, and how to undo it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leeway.terminal import show
from registry.records import RunState
from registry.views.incident_response import IncidentResponse
from registry.views.looks import Look
from registry.views.promotion_effect import PromotionEffect
from registry.views.retrain_record import CandidateRecord, RetrainRecord


def print_response(response: IncidentResponse) -> None:
    """Print what was done about an incident, oldest first, and how to undo it."""
    if response.decisions:
        columns = ("revision", "at", "by", "decision", "because")
        rows = [(d.revision, d.made_at, d.actor, d.action.text, "; ".join(d.because)) for d in response.decisions]
        show.table("Decisions, the newest last", columns, rows)
        show.note("")
    if response.baseline:
        show.note(show.text(f"{response.baseline.sentence}\n"))
    for record in response.retrains:
        _print_retrain(record)
    if response.ended_by:
        _print_effect("Replaced by another promotion", response.ended_by)
    if response.undo:
        show.table(
            "How to undo it", ("what it undoes", "command"), [(step.what, step.command) for step in response.undo]
        )


def _print_retrain(record: RetrainRecord) -> None:
    """Print a retrain: state and cost, each candidate with its checks, the looks of its trial, its promotion."""
    run = record.run
    show.note(show.text(f"Retrain, run {run.id}: {state_text(record)}"))
    show.pairs(_run_rows(record))
    show.note("")
    for candidate in record.candidates:
        title = f"Gate of {candidate.name}" if candidate.name else "Gate"
        rows = [(check.name, check.result.value, check.got, check.want) for check in candidate.checks]
        show.table(title, ("check", "result", "measured", "required"), rows)
        show.note("")
    print_looks(f"Trial of {run.challenger} against the champion", record.looks)
    if record.effect:
        _print_effect("Promotion", record.effect)


def state_text(record: RetrainRecord) -> str:
    """Return the state of a retrain in words; a held run says what it does."""
    run = record.run
    if run.awaits_approval:
        return f"held, {run.challenger} waits for approval"
    return f"held, {run.challenger} in shadow" if run.state is RunState.HELD else run.state.value


def _run_rows(record: RetrainRecord) -> Iterator[tuple[str, object]]:
    """Yield the labelled lines about a run."""
    run = record.run
    yield "reason", run.reason
    yield "data until", run.as_of
    yield "begun", run.started_at
    yield "cost", cost_text(record)
    yield "time by stage", record.times.text if record.times else None
    for candidate in record.candidates:
        yield f"{candidate.name or 'candidate'} trained on", _training_text(candidate)
        yield f"{candidate.name or 'candidate'} loss", candidate.loss


def _training_text(candidate: CandidateRecord) -> str:
    """Return the window and the rows that a candidate was trained on; empty if neither is on record."""
    version = candidate.version
    window = ""
    if version and version.trained_from and version.trained_until:
        window = f"{show.cell(version.trained_from)} to {show.cell(version.trained_until)}"
    return ": ".join(filter(None, (window, candidate.training_data)))


def cost_text(record: RetrainRecord) -> str:
    """Return the wall time of a retrain; empty if it goes on, or is not on record."""
    return f"{record.seconds:,.1f} s" if record.seconds else ""


def print_looks(title: str, looks: Sequence[Look]) -> None:
    """Print the looks of a trial or a watch as a table; nothing without any."""
    if looks:
        columns = ("look", "until", "slices", "rows", "difference of losses", "95 %", "evidence", "result")
        show.table(title, columns, [look_row(look) for look in looks])
        show.note("")


def look_row(look: Look) -> list[object]:
    """Return a look as a row: the evidence is that for the more likely of better and worse."""
    bounds = "-" if look.low is None or look.high is None else f"{look.low:+.4f} to {look.high:+.4f}"
    side, evidence = ("better", look.better) if look.better >= look.worse else ("worse", look.worse)
    required = "" if look.required is None else f" of {look.required:.3g}"
    shown = f"{side} {evidence:.3g}{required}"
    return [look.number, look.until, look.slices, look.rows, f"{look.mean:+.4f}", bounds, shown, look.outcome]


def _print_effect(title: str, effect: PromotionEffect) -> None:
    """Print a promotion, whether it helped, and the looks of its watch."""
    promotion = effect.promotion
    change = f"{promotion.from_version or 'none'} to {promotion.to_version}"
    show.note(show.text(f"{title}: {change}"))
    show.pairs([
        ("since", promotion.effective_at), ("by", promotion.actor), ("because", promotion.reason),
        ("did it help", effect.text),
    ])  # fmt: skip
    show.note("")
    print_looks(f"Watch of {promotion.to_version} against {promotion.from_version}", effect.looks)
