"""`leeway incidents`: list incidents, acknowledge, resolve or reclassify one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from features.window import UTC
from leeway import context
from leeway.commands.actor import USER, Actor
from leeway.commands.options import AsJson, Because, IncidentNumber
from leeway.project.load import Model
from leeway.project.validation_errors import count
from leeway.terminal import show
from registry import operations, queries
from registry.acknowledgements import Acknowledgement
from registry.records import AcceptedAs, Decision, Incident, IncidentState
from registry.views import incident_response

ModelName = Annotated[str | None, typer.Argument(help="The model; by default the only one, or all.")]
LIST = "list"
"""The subcommand that `leeway incidents` without one runs."""


class ListByDefault(TyperGroup):
    """A group whose arguments are those of :data:`LIST` where they name no subcommand: `leeway incidents MODEL`."""

    def with_subcommand(self, args: list[str]) -> list[str]:
        """Return *args* with the subcommand that they are of where they name none; a call for help names the group."""
        is_named = bool(args) and (args[0] in self.commands or args[0] in {"-h", "--help"})
        return args if is_named else [LIST, *args]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse *args*, the subcommand being put before those that name none."""
        return super().parse_args(ctx, self.with_subcommand(args))


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    group = typer.Typer(
        cls=ListByDefault,
        rich_markup_mode="markdown",
        help="List incidents; acknowledge, resolve or reclassify one.",
    )
    group.command(LIST)(list_incidents)
    for command in (acknowledge, resolve, accept):
        group.command()(command)
    app.add_typer(group, name="incidents")


def acknowledge(
    ctx: typer.Context,
    incident: IncidentNumber,
    because: Because,
    actor: Actor = USER,
    as_json: AsJson = False,
) -> None:
    """Record that you have seen an incident and take care of it. It stays open.

    `leeway status`, the pages and later alerts about the model say who has seen it. Nothing else changes: drift still
    counts in it, a rise of its severity is still sent, and it still gets its decision. If drift returns after
    its end, the reopened incident is not acknowledged.
    """
    with context.open(ctx.obj) as opened:
        before = queries.incident(opened.registry, incident)
        after = operations.acknowledge_incident(
            opened.registry, incident, because=because, actor=actor, now=datetime.now(UTC)
        )
        acknowledged = incident_response.newest(opened.registry, [after])[after.id].acknowledged
    if as_json:
        show.as_json({"ok": True, "acknowledged": acknowledged, "incident": _record(after)})
        return
    was, nothing = _unchanged(before.state is IncidentState.ACKNOWLEDGED)
    show.note(show.text(f"Incident {incident} ({after.signal.value} of {after.version}) {was} acknowledged "
                        f"{acknowledged_text(acknowledged)}{nothing}"))  # fmt: skip


def resolve(
    ctx: typer.Context,
    incident: IncidentNumber,
    because: Because,
    actor: Actor = USER,
    as_json: AsJson = False,
) -> None:
    """End an incident by hand, for instance of a version or a feed that is gone: no steady window will end it.

    The resolution has your name and reason. If drift goes on, the next windows open another incident. If a data fault
    is really drift, or drift a fault, use `leeway incidents accept` instead.
    """
    with context.open(ctx.obj) as opened:
        before = queries.incident(opened.registry, incident)
        after = operations.resolve_incident(
            opened.registry, incident, because=because, actor=actor, now=datetime.now(UTC)
        )
    if as_json:
        show.as_json({"ok": True, "incident": _record(after)})
        return
    was, nothing = _unchanged(before.state is IncidentState.RESOLVED)
    show.note(show.text(f"Incident {incident} ({after.signal.value} of {after.version}) {was} resolved: "
                        f"{after.resolution}{nothing}"))  # fmt: skip


def accept(
    ctx: typer.Context,
    incident: IncidentNumber,
    accepted_as: Annotated[AcceptedAs, typer.Option("--as", help="The new classification.")],
    because: Because,
    actor: Actor = USER,
    as_json: AsJson = False,
) -> None:
    """Reclassify a data fault as drift, or drift as a data fault.

    As drift, it may start a retrain, and the same kind of fault of the same variables is judged as drift until the
    model has its next baseline. As a fault, its rows are left out of training. Accepting it as the other again
    takes the decision back.
    """
    with context.open(ctx.obj) as opened:
        after = operations.accept_incident(
            opened.registry, incident, accepted_as=accepted_as, because=because, actor=actor, now=datetime.now(UTC)
        )
    if as_json:
        show.as_json({"ok": True, "accepted_as": accepted_as.value, "incident": _record(after)})
        return
    show.note(show.text(f"Incident {incident} ({after.signal.value} of {after.version}) is accepted as "
                        f"{accepted_as.value}; it is {after.displayed_state}."))  # fmt: skip


def list_incidents(
    ctx: typer.Context,
    model: ModelName = None,
    everything: Annotated[bool, typer.Option("--all", help="Include resolved incidents.")] = False,
    as_json: AsJson = False,
) -> None:
    """List incidents, with the decision about each and what it waits for."""
    with context.open(ctx.obj) as opened:
        name = opened.model(model).name if model else None
        listed = [
            incident
            for incident in queries.incidents(opened.registry, name)
            if everything or incident.state is not IncidentState.RESOLVED
        ]
        newest, models = incident_response.newest(opened.registry, listed), opened.project.models
    if as_json:
        show.as_json([
            {**i.model_dump(mode="json"), "decision": newest[i.id].decision, "waits_for": newest[i.id].waits_for,
             "acknowledged": newest[i.id].acknowledged}
            for i in listed
        ])  # fmt: skip
    elif not listed:
        show.note("No open incident." + ("" if everything else " [bold]leeway incidents --all[/] lists resolved ones."))
    else:
        columns = ("id", "model", "severity", "signal", "state", "opened", "last seen", "decision", "waits for")
        rows = [
            (
                i.id,
                f"{i.model} {i.version}",
                i.severity.value,
                f"{i.signal.value}: {_variables(i)}",
                _state(i, newest[i.id].acknowledged),
                i.opened_at,
                i.last_seen,
                decision_text(i, newest[i.id].decision, models.get(i.model)),
                newest[i.id].waits_for if newest[i.id].decision else None,
            )
            for i in listed
        ]
        show.table("Incidents", columns, rows)


def _unchanged(was_so: bool) -> tuple[str, str]:
    """Return the verb and the last clause of what is said about an incident that was so before the command, or not."""
    return ("was", "; nothing was changed") if was_so else ("is", "")


def _record(incident: Incident) -> dict[str, Any]:
    """Return an incident for JSON, with the state that users read."""
    return {**incident.model_dump(mode="json"), "state": incident.displayed_state}


def _state(incident: Incident, acknowledged: Acknowledgement | None) -> str:
    by = f" by {acknowledged.actor}" if acknowledged else ""
    return f"{incident.displayed_state}{by}" + (", corrected by late data" if incident.corrections else "")


def acknowledged_text(acknowledged: Acknowledgement | None) -> str:
    """Return who has seen an incident, when and why; "" where nobody has."""
    return f"at {show.cell(acknowledged.at)} {acknowledged.text}" if acknowledged else ""


def decision_text(incident: Incident, decision: Decision | None, of: Model | None) -> str:
    """Return the action and reasons of a decision about an incident *of* a model, or why there is none yet."""
    if decision is None:
        waits = incident.pending or ends_by_itself(of) or "waiting for `leeway react`, or `flows serve`"
        return f"none yet: {waits}"
    revision = f" (revision {decision.revision})" if decision.revision > 1 else ""
    return f"{decision.action.text}{revision}: {'; '.join(decision.because)}"


def ends_by_itself(model: Model | None) -> str:
    """Return when an incident of a model that is only monitored ends, as nobody decides there; "" for all others."""
    if model is None or model.retrain is not None:
        return ""
    steady = count(model.incidents.clear_after, "steady window")
    return f"the model is only monitored (no `retrain` section), and it ends by itself after {steady} in a row"


def _variables(incident: Incident) -> str:
    return ", ".join(sorted({e.finding.variable for e in incident.evidence}))
