"""`leeway incidents` and `incidents accept`: list incidents, and say that a fault is drift or drift a fault."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from features.window import UTC
from leeway import context
from leeway.commands.actor import USER, Actor
from leeway.commands.options import AsJson
from leeway.project.load import Model
from leeway.project.validation_errors import count
from leeway.terminal import show
from registry import operations, queries
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
        help="List incidents, or reclassify one as drift or as a data fault.",
    )
    group.command(LIST)(list_incidents)
    group.command()(accept)
    app.add_typer(group, name="incidents")


def accept(
    ctx: typer.Context,
    incident: Annotated[int, typer.Argument(help="The incident's id in `leeway incidents`.")],
    accepted_as: Annotated[AcceptedAs, typer.Option("--as", help="The new classification.")],
    because: Annotated[str, typer.Option("--because", help="The reason, for the audit log.")],
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
        record = {**after.model_dump(mode="json"), "state": after.displayed_state}
        show.as_json({"ok": True, "accepted_as": accepted_as.value, "incident": record})
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
            {**i.model_dump(mode="json"), "decision": newest[i.id].decision, "waits_for": newest[i.id].waits_for}
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
                _state(i),
                i.opened_at,
                i.last_seen,
                decision_text(i, newest[i.id].decision, models.get(i.model)),
                newest[i.id].waits_for if newest[i.id].decision else None,
            )
            for i in listed
        ]
        show.table("Incidents", columns, rows)


def _state(incident: Incident) -> str:
    return incident.displayed_state + (", corrected by late data" if incident.corrections else "")


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
